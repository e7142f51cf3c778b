"""The screens as data: digit, title, keys and footer of each.

Every screen is a *page*: a :class:`gradrepl.tui.pages.page.Page` in a file of its own, imported
and mounted when it is first opened. To add one: write the page and its row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from gradrepl.errors import PluginError
from gradrepl.tui.key import (
    BREAK,
    COMMAND,
    COPY,
    FIND,
    FINISH,
    HELP,
    KEEP,
    MAXIMISE,
    MOVE,
    QUIT,
    STEP,
    VERSIONS,
    WATCH,
    Foot,
    Key,
)


@dataclass(frozen=True)
class View:
    """One screen."""

    name: str
    digit: str
    title: str
    help: str
    word: str
    """What is typed for the same, without the colon."""
    feet: tuple[Foot, ...]
    """Its footer while the program is stopped."""
    keys: tuple[Key, ...] = ()
    """Keys of this screen alone; they do the actions of its page."""
    page: str | Callable[[], Any] = ""
    """'module:Class', or what makes one."""
    phase: str = ""
    """A stop in this phase opens it; such a page is there from the start."""

    @property
    def key(self) -> Key:
        """The key that opens it."""
        action = f"view('{self.name}')"
        return Key(f"screen.{self.name}", self.digit, action, self.word, self.help, "Screen")

    @property
    def label(self) -> str:
        """Its tab while another screen is open: of a plugin's the digit alone."""
        return f"{self.digit} {self.title}" if self.ours else self.digit

    @property
    def ours(self) -> bool:
        """Is it none of a plugin's?"""
        return self.name in _OURS


def _enter(label: str) -> Foot:
    return Foot(label, keys="enter", does="open_here")


DATA = (
    Key(
        "data.next", "n,f10", "next", "batch", "Fetch the batch at hand here, then the next", "Data"
    ),
    Key("data.fetch", "f", "fetch_here", "fetch", "Make this sample here, step by step", "Data"),
    Key("data.tune", "t", "app.send('tune')", "tune", "Measure 0, 1, 2, 4 workers", "Data"),
    Key("data.again", "A", "again", "batch N", "Fetch this batch again", "Data"),
    Key("data.classes", "C", "classes", "epoch", "How often each class came", "Data"),
    Key("data.another", "N", "another", "loader", "Look at another loader", "Data"),
)
HEALTH = (
    Key("health.why", "w", "why", "health-why", "Why this verdict, in a sentence", "Health"),
    Key(
        "health.grads",
        "W",
        "app.send('watch grads')",
        "watch grads",
        "Watch every parameter's gradient",
        "Health",
    ),
    Key(
        "health.nodes",
        "N",
        "app.send('watch nodes')",
        "watch nodes",
        "Watch the gradient at every node, too",
        "Health",
    ),
    Key(
        "health.turn",
        "t",
        "turn",
        "health-turn",
        "The other picture: by depth, over time",
        "Health",
    ),
)
VIEWS: list[View] = [
    View(
        "fwd",
        "1",
        "Fwd",
        "Forward ops",
        "fwd",
        (STEP, BREAK, WATCH, KEEP, FIND, COMMAND, HELP, QUIT),
        page="gradrepl.tui.pages.forward:ForwardPage",
        phase="forward",
    ),
    View(
        "bwd",
        "2",
        "Bwd",
        "Backward graph",
        "bwd",
        (STEP, MOVE, BREAK, FINISH, FIND, COMMAND, HELP, QUIT),
        page="gradrepl.tui.pages.backward:BackwardPage",
        phase="backward",
    ),
    View(
        "mem",
        "3",
        "Mem",
        "Tensors by the memory they share",
        "mem-screen",
        (_enter("Map"), VERSIONS, FIND, MAXIMISE, STEP, COMMAND, HELP, QUIT),
        page="gradrepl.tui.pages.memory:MemoryPage",
    ),
    View(
        "data",
        "4",
        "Data",
        "Batches, samples, loaders, and where the time goes",
        "data-screen",
        (
            Foot("Next batch", ("data.next",)),
            _enter("Sample"),
            Foot("Fetch here", ("data.fetch",)),
            Foot("Tune", ("data.tune",)),
            Foot("Classes", ("data.classes",)),
            Foot("Again", ("data.again",)),
            FIND,
            COMMAND,
            HELP,
            QUIT,
        ),
        DATA,
        page="gradrepl.tui.pages.data:DataPage",
    ),
    View(
        "health",
        "5",
        "Health",
        "Gradients while a training runs",
        "health-screen",
        (
            _enter("Open"),
            Foot("Why", ("health.why",)),
            BREAK,
            Foot("Watch", ("health.grads",)),
            Foot("Picture", ("health.turn",)),
            FIND,
            COMMAND,
            HELP,
            QUIT,
        ),
        HEALTH,
        page="gradrepl.tui.pages.health:HealthPage",
    ),
    View(
        "log",
        "6",
        "Log",
        "Program output",
        "log",
        (Foot("Back", ("screen.output",)), FIND, COPY, COMMAND, HELP, QUIT),
        page="gradrepl.tui.pages.output:OutputPage",
    ),
]
BY_NAME = {view.name: view for view in VIEWS}
_OURS = frozenset(BY_NAME)


def add(view: View) -> View:
    """Take in a screen that a plugin brings; return it with a digit that is free, or none."""
    free = [digit for digit in "789" if all(each.digit != digit for each in VIEWS)]
    if view.digit not in free:
        view = replace(view, digit=free[0] if free else "")
    if view.name in BY_NAME:
        raise PluginError(f"there is a screen '{view.name}'.")
    VIEWS.append(view)
    VIEWS.sort(key=lambda each: each.digit or "~")
    BY_NAME[view.name] = view
    return view
