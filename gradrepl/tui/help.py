"""What the help says first: what the focused pane shows, and the keys that matter there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gradrepl import model
from gradrepl.tui import keys
from gradrepl.tui.key import Foot, Key
from gradrepl.tui.views import BY_NAME

if TYPE_CHECKING:
    from gradrepl.tui.panes import Panes

MORE = {"open_here": "Details of the selected row, in full height"}
"""Actions of the footer that are in no table of keys."""


class About(NamedTuple):
    """The pane that has the focus."""

    name: str
    text: str
    keys: Sequence[tuple[str, str]]


def about(main: Panes, mode: str) -> About:
    """Return what the focused pane is, and its keys."""
    pane = main.dock.transcript if main.dock.typing else main.pane()
    view = BY_NAME[main.view]
    rows = dict(keys.TYPING if main.dock.typing else _footed(keys.FEET[mode]))
    if not main.dock.typing:
        rows |= {key.shown: key.help for key in view.keys if key.help not in rows.values()}
        rows |= {"tab": "The next pane", "m": "Maximise this pane", "y": "Copy its text"}
    text = pane.HELP or f"{view.help}."
    return About(pane.NAME or view.title, text, list(rows.items()))


def _footed(feet: Sequence[Foot]) -> Iterator[tuple[str, str]]:
    """Yield key and meaning of each entry of the footer, taken apart where it names several."""
    for foot in feet:
        if len(foot.ids) > 1:
            yield from ((key.shown, key.help) for key in foot.rows)
        else:
            yield foot.shown, foot.rows[0].help if foot.ids else MORE.get(foot.does, foot.label)


def every() -> list[Key]:
    """Return every key, those of single screens too."""
    return [*keys.everywhere(), *(key for view in BY_NAME.values() for key in view.keys)]


def explained(word: str) -> model.Text | None:
    """Return what a key does, or a word of the screen; None where it is neither."""
    from gradrepl.commands.table import WORDS

    if word in WORDS:
        return None
    for key in every():
        names = {*key.now.split(","), *key.shown.split(), key.word.partition(" ")[0]}
        if word in names:
            title = f"{key.shown}   :{key.word}" if key.word else key.shown
            return model.Text(title=title, body=f"{key.help}.")
    return None
