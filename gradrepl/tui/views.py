"""The screens as data: digit, title, keys and footer of each; and the whole table of keys.

Every screen is a *page*: a :class:`gradrepl.tui.pages.page.Page` in a file of its own, imported
and mounted when it is first opened. To add one: write the page and its row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gradrepl import model
from gradrepl.errors import PluginError
from gradrepl.tui import keys
from gradrepl.tui.keys import ENDS, FEET, Foot, Key

if TYPE_CHECKING:
    from gradrepl.commands.registry import Command


@dataclass
class View:
    """One screen."""

    name: str
    digit: str
    title: str
    help: str
    word: str
    """What is typed for the same, without the colon."""
    feet: tuple[Foot, ...] = ()
    """Its footer while the program is stopped; of ours that of the table."""
    keys: tuple[Key, ...] = ()
    """Keys of this screen alone; they do the actions of its page."""
    page: str | Callable[[], Any] = ""
    """'module:Class' ('.module' is one of :mod:`gradrepl.tui.pages`), or what makes one."""
    phase: str = ""
    """A stop in this phase opens it; such a page is there from the start."""
    brought: tuple[Key, ...] = ()
    """Those of its keys that plugins bring, each for a command of theirs."""

    def __post_init__(self) -> None:
        self.feet = self.feet or FEET.get(self.name, ())

    @property
    def key(self) -> Key:
        """The key that opens it."""
        return Key(f"screen.{self.name}", self.digit, f"view('{self.name}')", self.word, self.help)

    @property
    def label(self) -> str:
        """Its tab while another screen is open: of a plugin's the digit alone."""
        return f"{self.digit} {self.title}" if self.ours else self.digit

    @property
    def ours(self) -> bool:
        """Is it none of a plugin's?"""
        return self.name in _OURS


DATA = (
    Key("data.next", "n,f10", "next", "batch", "Fetch the batch at hand here, then the next"),
    Key("data.fetch", "f", "fetch_here", "fetch", "Make this sample here, step by step"),
    Key("data.again", "A", "again", "batch N", "Fetch this batch again"),
    Key("data.classes", "C", "classes", "epoch", "How often each class came"),
    Key("data.another", "N", "another", "loader", "Look at another loader"),
)
GRADS, NODES = (f"app.send('watch {each}')" for each in ("grads", "nodes"))
HEALTH = (
    Key("health.why", "w", "why", "health-why", "Why this verdict, in a sentence"),
    Key("health.grads", "W", GRADS, "watch grads", "Watch every parameter's gradient"),
    Key("health.nodes", "N", NODES, "watch nodes", "Watch the gradient at every node, too"),
    Key("health.turn", "t", "turn", "health-turn", "The other picture: by depth, over time"),
)
SHARED, TRAINING = "Tensors by the memory they share", "Gradients while a training runs"
BATCHES = "Batches, samples, loaders, and where the time goes"
VIEWS: list[View] = [
    View("fwd", "1", "Fwd", "Forward ops", "fwd", page=".forward:ForwardPage", phase="forward"),
    View(
        "bwd", "2", "Bwd", "Backward graph", "bwd", page=".backward:BackwardPage", phase="backward"
    ),
    View("mem", "3", "Mem", SHARED, "mem-screen", page=".memory:MemoryPage"),
    View("data", "4", "Data", BATCHES, "data-screen", keys=DATA, page=".data:DataPage"),
    View(
        "health", "5", "Health", TRAINING, "health-screen", keys=HEALTH, page=".health:HealthPage"
    ),
    View("log", "6", "Log", "Program output", "log", page=".output:OutputPage"),
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


def add_key(command: Command) -> Key:
    """Take in the key of a plugin's command on one page; the page's footer names it.

    Raises:
        PluginError: there is no such page.
    """
    press = command.key
    assert press is not None
    if press.page not in BY_NAME:
        raise PluginError(f"there is no screen '{press.page}'.")
    view, id = BY_NAME[press.page], f"{press.page}.{command.name}"
    if all(key.id != id for key in view.keys):
        action = f"app.{keys.action_of(command)}"
        key = Key(id, keys.names_of(press.keys), action, command.name, press.help)
        view.keys, view.brought = (*view.keys, key), (*view.brought, key)
        last = next((i for i, foot in enumerate(view.feet) if foot in ENDS), len(view.feet))
        view.feet = (*view.feet[:last], Foot(press.foot or command.name, (id,)), *view.feet[last:])
    return keys.BY_ID[id]


# -- the whole table -----------------------------------------------------------------------------


def of_screen() -> list[Key]:
    """Return the keys of the screen itself, with those that open a page."""
    return [*keys.OWN, *(view.key for view in VIEWS), *keys.SCREEN]


def everywhere() -> list[Key]:
    """Return all keys that are there on every page: those of commands first."""
    return [*keys.of_commands(), *of_screen()]


def every() -> list[Key]:
    """Return every key, those of single pages too."""
    return [*everywhere(), *(key for view in VIEWS for key in view.keys)]


def table() -> dict[str, list[Key]]:
    """Return the keys that are there on every page by group."""
    groups: dict[str, list[Key]] = {"Step": [], "Look": [], "Move": [], "Screen": []}
    for key in everywhere():
        groups[key.group or key.id.partition(".")[0].capitalize()].append(key)
    return groups


def by_word(word: str) -> Key | None:
    """Return the key of the screen whose word this is."""
    return next((key for key in of_screen() if key.word == word), None)


def feet_of(mode: str) -> tuple[Foot, ...]:
    """Return the footer of a page, or of a state."""
    return BY_NAME[mode].feet if mode in BY_NAME else FEET[mode]


def explained(word: str) -> model.Text | None:
    """Return what a key does, or a word of the screen; None where it is neither."""
    from gradrepl.commands.table import WORDS

    if not word or word in WORDS:
        return None
    for key in every():
        names = {*key.now.split(","), *key.shown.split(), key.word.partition(" ")[0]}
        if word in names:
            title = f"{key.shown}   :{key.word}" if key.word else key.shown
            return model.Text(title=title, body=f"{key.help}.")
    return None
