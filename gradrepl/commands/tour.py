"""``:tour``: the two-path example step by step, on the real engine, with gradients to predict.

The tour types nothing of its own accord: it says what comes next, and looks after each entry how
far the program has come. So the user may do anything else meanwhile, go on and come back.
"""

from __future__ import annotations

import ast
import math
import operator
import os
import re
from dataclasses import dataclass
from typing import Annotated, Any

from gradrepl import model, protocol
from gradrepl.commands import entry
from gradrepl.commands.conversation import Conversation
from gradrepl.commands.registry import (
    ANY,
    FORWARD,
    IDLE,
    RUNNING,
    WORDS,
    Argument,
    command,
)
from gradrepl.errors import StateError, UsageError

EXAMPLE = "two_paths"
STARTED, MADE, BACKWARD, ENDED = 1, 2, 2, 7
"""How far the example is; node #N of its backward is ``BACKWARD + N``."""
BUILD = "left = 3 * a; right = a**2; L = left * right"
ANSWER = Annotated[str, Argument("next|off", rest=True)]


@dataclass(frozen=True)
class Step:
    """One thing to see; ``{expression}`` in its texts is worked out in the program."""

    text: str
    type: str
    goal: int
    """How far the example is when it is done; 0: ``entered`` says when."""
    entered: str = ""
    """A pattern for the entry that does it."""
    why: str = ""
    """A number is guessed before; this explains the one that arrives."""
    traps: tuple[tuple[str, str], ...] = ()
    """A wrong number that is often guessed, and what it was taken for."""


STEPS = (
    Step(
        "You will see the chain rule happen. In the example L = left * right, and both are made "
        "of a: two paths lead from L to a. Load it: it stops before its first op.",
        f":load {EXAMPLE}", STARTED,
    ),
    Step(
        "Each s runs one op and stops with its result (●). Go on until L is made: four times.",
        "s", MADE,
    ),
    Step(
        "L stands. One s more begins L.backward(), and the engine stops before its first node, "
        "the one that made L. What arrives there is dL/dL = 1.",
        "s", BACKWARD + 1,
    ),
    Step(
        "Next the engine runs this node and stops at #2, which made right. L = left * right with "
        "left = {left} and right = {right}. Predict what arrives there: dL/dright.",
        "s", BACKWARD + 2,
        why="L = left * right, so dL/dright is left, and left is {left}.",
        traps=(("{right}", "That is right itself: its factor is left."),),
    ),
    Step(
        "Then comes #3, which made left. Predict what arrives there: dL/dleft.",
        "s", BACKWARD + 3,
        why="dL/dleft is the other factor, right, and right is {right}.",
        traps=(("{left}", "That is left itself: its factor is right."),),
    ),
    Step(
        "At #4 both paths reach a. right = a**2 passes on dL/dright times 2a, and left = 3 * a "
        "passes on dL/dleft times 3. Predict what arrives at a: its gradient.",
        "s", BACKWARD + 4,
        why="By left {right} x {left / a} = {right * (left / a)}, by right {left} x {2 * a} = "
        "{left * 2 * a}: where paths meet, gradients are added.",
        traps=(
            ("{right * (left / a)}", "That is the path by left alone."),
            ("{left * 2 * a}", "That is the path by right alone."),
            ("{right * (left / a) * left * 2 * a}", "Along a path one multiplies, paths add up."),
        ),
    ),
    Step(
        "You have seen every node. c runs on to the end: the script prints both routes, their "
        "sum and a.grad.",
        "c", ENDED,
    ),
    Step(
        "The backward has freed its graph, so build it again. What is no command is Python, run "
        "in the script's own names.",
        BUILD, 0, entered=r"\bL\s*=",
    ),
    Step("Now ask for every path from L to a, and for the sum.", ":paths L a", 0,
         entered=r":?paths\b"),
)  # fmt: skip
FAREWELL = (
    "That was the tour: along a path derivatives are multiplied, and paths add up to the gradient, "
    "as autograd says itself. ':examples' has more of this kind, ':help' every command."
)


class Tour:
    """Where a newcomer is."""

    def __init__(self) -> None:
        self.index = 0
        self.level = 0
        self.guess: float | None = None
        self.did = ""
        """What ':tour next' has just typed for the user."""
        self.shown: model.Record | None = None
        """The last record that was answered or told."""

    @property
    def step(self) -> Step:
        """What is to be done now."""
        return STEPS[self.index]

    def awaits_guess(self, talk: Conversation) -> bool:
        """Is a number asked for, and not given yet?"""
        step = self.step
        return bool(step.why) and self.guess is None and talk.stopped

    async def means(self, talk: Conversation, text: str) -> bool:
        """Is an entry the answer to the question, be it a bad one?"""
        if not self.awaits_guess(talk):
            return False
        if re.fullmatch(r"[-+*/().,\d\s]+([eE][-+]?\d+)?|[-+]?(nan|inf)", text):
            return True
        if not text.isidentifier() or text in WORDS:
            return False
        return await talk.ask(protocol.Bound(word=text)) is None

    async def told(self, talk: Conversation) -> model.TourStep:
        """Return what to do now."""
        step, text = self.step, self.step.text
        if not self.index and talk.used and talk.gone is None:
            text += " (This ends the program that is here now.)"
        asked = self.awaits_guess(talk)
        return model.TourStep(
            number=self.index + 1, total=len(STEPS), text=await filled(talk, text),
            entry="" if asked else step.type, guess=asked,
        )  # fmt: skip

    async def after(self, talk: Conversation, typed: str) -> None:
        """Look after an entry how far the example is, and say what comes next."""
        typed, self.did = self.did or typed, ""
        before, self.level = self.level, level(talk, self.level)
        if self.level < before and self.level <= STARTED:
            self.begin_at_level()
            lost = "The example is not here any more." if not self.level else ""
            await self._say(talk, lost)
            return
        at = self.index
        while self.index < len(STEPS) and self._done(typed):
            if self.step.why and self.level == self.step.goal:
                talk.tell(await self._answer(talk))
            self.index, self.guess = self.index + 1, None
        if self.index == len(STEPS):
            talk.memory.tour = None
            talk.tell(model.TourStep(number=0, total=len(STEPS), text=FAREWELL))
        elif self.index > at:
            passed = any(step.why for step in STEPS[at : self.index - 1])
            again = f"You went past a question; ':load {EXAMPLE}' begins again." if passed else ""
            await self._say(talk, again)

    def begin_at_level(self) -> None:
        """Go to the first step that is still to be done."""
        self.guess = None
        ahead = (i for i, step in enumerate(STEPS) if step.goal > self.level)
        self.index = next(ahead, len(STEPS) - 2)

    def _done(self, typed: str) -> bool:
        step = self.step
        if step.goal:
            return self.level >= step.goal
        if step.type.startswith(":paths"):
            return isinstance(self.shown, model.Paths)
        return re.search(step.entered, typed) is not None and self.index == len(STEPS) - 2

    async def _say(self, talk: Conversation, first: str) -> None:
        if first:
            talk.tell(model.Notice(message=first))
        talk.tell(await self.told(talk))

    async def _answer(self, talk: Conversation) -> model.TourAnswer:
        """Compare the guess with what arrived at this node."""
        said, arrived = self.guess, await number(talk, "grad_in[0].item()")
        right = said is not None and math.isclose(said, arrived, rel_tol=1e-3, abs_tol=1e-6)
        why = await filled(talk, self.step.why)
        if said is not None and not right:
            for wrong, because in self.step.traps:
                if f"{said:g}" == await filled(talk, wrong):
                    why = f"{because} {why}"
                    break
        return model.TourAnswer(said=said, arrived=arrived, right=right, why=why)


def level(talk: Conversation, before: int) -> int:
    """Return how far the example is; it comes back to 1 when it is started again."""
    here = os.path.basename(talk.options.target) == f"{EXAMPLE}.py"
    if not here or talk.gone is not None:
        return 0
    stop = talk.stop
    if talk.state == IDLE:
        return ENDED if before else 0
    if stop is None or not talk.stopped:
        return before
    if stop.node is not None:
        return max(before, BACKWARD + stop.position) if stop.position <= 4 else before
    if talk.state == FORWARD and stop.reason == "start":
        return STARTED
    made = stop.site is not None and stop.site.text.startswith("L =") and stop.when == "after"
    return max(before, MADE if made else STARTED)


async def number(talk: Conversation, expression: str) -> float:
    """Return what an expression is in the program; NaN where it is no number."""
    answer = await talk.ask(protocol.Print(expression=expression))
    try:
        return float(answer.text) if isinstance(answer, model.Value) else math.nan
    except ValueError:
        return math.nan


async def filled(talk: Conversation, text: str) -> str:
    """Return ``text`` with its ``{expressions}`` worked out."""
    for formula in dict.fromkeys(re.findall(r"{(.+?)}", text)):
        spelled = formula
        for name in dict.fromkeys(re.findall(r"[a-z]+", formula)):
            found = await number(talk, f"{name}.item()")
            spelled = re.sub(rf"\b{name}\b", f"({found!r})", spelled)
        try:
            text = text.replace(f"{{{formula}}}", f"{sum_of(spelled):g}")
        except UsageError:  # the user took the name for something else
            text = text.replace(f"{{{formula}}}", "?")
    return text


_SIGNS: dict[type, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.USub: operator.neg, ast.UAdd: operator.pos,
}  # fmt: skip


def sum_of(text: str) -> float:
    """Return the number that ``text`` spells: '36', '-0.5', '4 * 3 + 24'.

    Raises:
        UsageError: it spells none.
    """

    def value(node: ast.AST) -> float:
        match node:
            case ast.Constant(value=int() | float() as found):
                return float(found)
            case ast.BinOp(left=left, op=sign, right=right):
                return float(_SIGNS[type(sign)](value(left), value(right)))
            case ast.UnaryOp(op=sign, operand=operand):
                return float(_SIGNS[type(sign)](value(operand)))
        raise ValueError(text)

    try:
        found = value(ast.parse(text.strip(), mode="eval").body)
        if math.isfinite(found):
            return found
    except (SyntaxError, ValueError, KeyError, ArithmeticError, RecursionError):
        pass
    raise UsageError(f"'{text}' is not a number.", "Write 6, -0.5 or 4 * 3; 's' goes on without.")


@command("tour", group="Session", states=tuple(state for state in ANY if state != RUNNING))
async def tour(talk: Conversation, what: ANSWER = "") -> model.Record | None:
    """Walk through the two-path example, step by step, and predict its gradients.

    ``:tour`` begins it, and says the step again; ``:tour next`` does the step for you, ``:tour
    off`` ends it. Anything else can be done meanwhile. A number answers a question.
    """
    here = talk.memory.tour
    if what == "off":
        if here is None:
            raise StateError("there is no tour.", "':tour' begins one.")
        talk.memory.tour = None
        return model.TourStep(number=0, total=len(STEPS), text="The tour is off.")
    if here is None:
        here = Tour()
        here.level = level(talk, 0)
        here.begin_at_level()
        talk.memory.tour = here
        return await here.told(talk) if what in ("", "next") else _no_word(what)
    if what == "next":
        await _do(talk, here)
        return None
    if what and here.awaits_guess(talk):
        here.guess = sum_of(what)
        text = f"You say {here.guess:g}. One s, and the engine answers."
        return model.TourStep(
            number=here.index + 1, total=len(STEPS), text=text, entry=here.step.type
        )
    return await here.told(talk) if not what else _no_word(what)


def _no_word(what: str) -> model.Record:
    raise UsageError(f"'tour' does not know '{what}'.", "Write: tour, tour next, or tour off")


async def _do(talk: Conversation, here: Tour) -> None:
    """Do the step for the user: type it, as often as it takes."""
    step = here.step
    here.did = step.type
    for _ in range(6):
        meaning = await entry.understand(talk, step.type)
        if isinstance(meaning, entry.Code):
            await talk.run(protocol.Execute(source=meaning.source))
        elif isinstance(meaning, entry.Call):
            parsed = meaning.command.parse(meaning.text)
            if talk.state not in meaning.command.states:
                raise StateError(
                    f"'{step.type}' is not possible here.", f"':load {EXAMPLE}' begins again."
                )
            here.shown = await meaning.command.function(talk, *parsed)
            if here.shown is not None:
                talk.tell(here.shown)
        if not step.goal or level(talk, here.level) >= step.goal or not talk.stopped:
            return
