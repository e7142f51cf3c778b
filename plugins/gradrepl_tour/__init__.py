"""``:tour``: the two-path example step by step, on the real engine, with gradients to predict.

The tour types nothing of its own accord: it says what comes next, and looks after each entry how
far the program has come. So the user may do anything else meanwhile, go on and come back.
"""

from __future__ import annotations

from typing import Annotated, Any
from weakref import WeakKeyDictionary

import gradrepl
from gradrepl import model
from gradrepl.commands.registry import ANY, RUNNING, Argument, command
from gradrepl.draw import Look
from gradrepl.draw.ink import Line
from gradrepl.errors import StateError, UsageError
from gradrepl_tour.guide import Tour, TourAnswer, TourStep, level, sum_of
from gradrepl_tour.steps import STEPS

ANSWER = Annotated[str, Argument("next|off", rest=True)]


def draw_step(record: TourStep, look: Look) -> list[Line]:
    """Return what to do now, and below it what to type."""
    at = f"Tour {record.number}/{record.total} " if record.number else "Tour "
    lines = [[(at, "title"), (record.text, "")]]
    wanted = "the number that you expect" if record.guess else record.entry
    if wanted:
        lines.append([("  type: ", "dim"), (wanted, "key"), (record.hint, "dim")])
    return lines


def draw_answer(record: TourAnswer, look: Look) -> list[Line]:
    """Return what the engine says to a guess, and why."""
    if record.said is None:
        mark, role, said = "·", "dim", ""
    elif record.right:
        mark, role, said = "✓", "good", "Right: "
    else:
        mark, role, said = "!", "bad", f"Not {record.said:g}: "
    return [[(f"{mark} {said}{record.arrived:g} arrived. ", role), (record.why, "")]]


_tours: WeakKeyDictionary[Any, Tour] = WeakKeyDictionary()
"""By conversation."""


def leave(talk: Any) -> None:
    """End the tour."""
    talk.guided = False
    del _tours[talk]


@command("tour", group="Session", states=tuple(state for state in ANY if state != RUNNING))
async def tour(talk: Any, what: ANSWER = "") -> model.Record | None:
    """Walk through the two-path example, step by step, and predict its gradients.

    ``:tour`` begins it, and says the step again; ``:tour next`` does the step for you, ``:tour
    off`` ends it. Anything else can be done meanwhile. A number answers a question.
    """
    here = _tours.get(talk)
    if what == "off":
        if here is None:
            raise StateError("there is no tour.", "':tour' begins one.")
        leave(talk)
        return TourStep(number=0, total=len(STEPS), text="The tour is off.")
    if here is None:
        here = Tour()
        here.level = level(talk, 0)
        here.begin_at_level()
        _tours[talk], talk.guided = here, True
        return await here.told(talk) if what in ("", "next") else _no_word(what)
    if what == "next":
        await _do(talk, here)
        return None
    if what and here.awaits_guess(talk):
        here.guess = sum_of(what)
        text = f"You say {here.guess:g}. One s, and the engine answers."
        return TourStep(number=here.index + 1, total=len(STEPS), text=text, entry=here.step.type)
    return await here.told(talk) if not what else _no_word(what)


def _no_word(what: str) -> model.Record:
    raise UsageError(f"'tour' does not know '{what}'.", "Write: tour, tour next, or tour off")


async def _do(talk: Any, here: Tour) -> None:
    """Do the step for the user: type it, as often as it takes."""
    step = here.step
    here.did = step.type
    for _ in range(6):
        before = talk.stop
        await talk.do(step.type)
        done = not step.goal or level(talk, here.level) >= step.goal
        if done or talk.stop is before or not talk.stopped:
            return


@gradrepl.hookimpl
def gradrepl_commands():
    return [tour]


@gradrepl.hookimpl
def gradrepl_drawings():
    return {TourStep: draw_step, TourAnswer: draw_answer}


@gradrepl.hookimpl
async def gradrepl_typed(talk, text):
    here = _tours.get(talk)
    return f"tour {text}" if here is not None and await here.means(talk, text) else None


@gradrepl.hookimpl
def gradrepl_shown(talk, record):
    if talk in _tours:
        _tours[talk].shown = record


@gradrepl.hookimpl
async def gradrepl_entered(talk, text):
    here = _tours.get(talk)
    if here is not None:
        await here.after(talk, text)
        if here.over:
            leave(talk)
