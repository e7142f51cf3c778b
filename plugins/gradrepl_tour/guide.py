"""Where a newcomer is in the tour, and what the program says to a guess."""

from __future__ import annotations

import ast
import math
import operator
import os
import re
from typing import Any, ClassVar

from gradrepl import model, protocol
from gradrepl.commands.registry import FORWARD, IDLE, WORDS
from gradrepl.errors import UsageError
from gradrepl_tour.steps import BACKWARD, ENDED, EXAMPLE, FAREWELL, MADE, STARTED, STEPS, Step


class TourStep(model.Record, frozen=True, kw_only=True):
    """What a newcomer is told next, and what to type for it."""

    BRIEF: ClassVar[bool] = True
    number: int
    """From 1; 0 when the tour is over."""
    total: int
    text: str
    entry: str = ""
    """The line to type; empty where a number is asked for."""
    guess: bool = False
    """Is a number asked for?"""
    hint: str = ""
    """How to type it on the screen."""


class TourAnswer(model.Record, frozen=True, kw_only=True):
    """A guessed gradient beside the one that the engine brought."""

    BRIEF: ClassVar[bool] = True
    said: float | None
    """None: nobody guessed."""
    arrived: float
    right: bool
    why: str


class Tour:
    """Where a newcomer is."""

    def __init__(self) -> None:
        self.index = 0
        self.level = 0
        self.guess: float | None = None
        self.did = ""
        """What ':tour next' has just typed for the user."""
        self.over = False
        self.shown: model.Record | None = None
        """The last record that was answered or told."""

    @property
    def step(self) -> Step:
        """What is to be done now."""
        return STEPS[self.index]

    def awaits_guess(self, talk: Any) -> bool:
        """Is a number asked for, and not given yet?"""
        step = self.step
        return bool(step.why) and self.guess is None and talk.stopped

    async def means(self, talk: Any, text: str) -> bool:
        """Is an entry the answer to the question, be it a bad one?"""
        if not self.awaits_guess(talk):
            return False
        if re.fullmatch(r"[-+*/().,\d\s]+([eE][-+]?\d+)?|[-+]?(nan|inf)", text):
            return True
        if not text.isidentifier() or text in WORDS:
            return False
        return await talk.ask(protocol.Bound(word=text)) is None

    async def told(self, talk: Any) -> TourStep:
        """Return what to do now."""
        step, text = self.step, self.step.text
        if not self.index and talk.used and talk.gone is None:
            text += " (This ends the program that is here now.)"
        asked, hint = self.awaits_guess(talk), ""
        if talk.on_view is not None:  # a screen
            hint = "   i begins typing" if asked else ""
            hint = "   or the key, after Esc" if not asked and len(step.type) == 1 else hint
        return TourStep(
            number=self.index + 1,
            total=len(STEPS),
            text=await filled(talk, text),
            entry="" if asked else step.type,
            guess=asked,
            hint=hint,
        )

    async def after(self, talk: Any, typed: str) -> None:
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
            self.over = True
            talk.tell(TourStep(number=0, total=len(STEPS), text=FAREWELL))
        elif self.index > at:
            await self._say(talk, self._passed(at))

    def _passed(self, first: int) -> str:
        """Return that a question was passed since the step with this number, if one was."""
        passed = any(step.why for step in STEPS[first : self.index - 1])
        return f"You went past a question; ':load {EXAMPLE}' begins again." if passed else ""

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

    async def _say(self, talk: Any, first: str) -> None:
        if first:
            talk.tell(model.Notice(message=first))
        talk.tell(await self.told(talk))

    async def _answer(self, talk: Any) -> TourAnswer:
        """Compare the guess with what arrived at this node."""
        said, arrived = self.guess, await number(talk, "grad_in[0].item()")
        right = said is not None and math.isclose(said, arrived, rel_tol=1e-3, abs_tol=1e-6)
        why = await filled(talk, self.step.why)
        if said is not None and not right:
            for wrong, because in self.step.traps:
                if f"{said:g}" == await filled(talk, wrong):
                    why = f"{because} {why}"
                    break
        return TourAnswer(said=said, arrived=arrived, right=right, why=why)


def level(talk: Any, before: int) -> int:
    """Return how far the example is; it comes back to 1 when it is started again."""
    here = os.path.basename(talk.options.target) == f"{EXAMPLE}.py"
    if not here or talk.gone is not None:
        return 0
    if talk.state == IDLE:
        return ENDED if before else 0
    if talk.stop is None or not talk.stopped:
        return before
    return _level_at(talk.stop, before, starts=talk.state == FORWARD)


def _level_at(stop: model.Stop, before: int, starts: bool) -> int:
    if stop.node is not None:
        return max(before, BACKWARD + stop.position) if stop.position <= 4 else before
    if starts and stop.reason == "start":
        return STARTED
    made = stop.site is not None and stop.site.text.startswith("L =") and stop.when == "after"
    return max(before, MADE if made else STARTED)


async def number(talk: Any, expression: str) -> float:
    """Return what an expression is in the program; NaN where it is no number."""
    answer = await talk.ask(protocol.Print(expression=expression))
    try:
        return float(answer.text) if isinstance(answer, model.Value) else math.nan
    except ValueError:
        return math.nan


async def filled(talk: Any, text: str) -> str:
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
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


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
