"""Lines of a drawing as Rich text: the style of each role at the prompt.

The text is taken as it is: a user's ``[/b]`` is never markup.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.style import Style
from rich.text import Text

from gradrepl.draw.ink import Line, Role

STYLES = {
    "dim": "dim", "title": "bold", "name": "green", "number": "cyan", "here": "bold",
    "done": "green", "ahead": "dim", "bad": "red", "warn": "yellow", "good": "green",
    "leaf": "magenta", "key": "bold", "module": "blue", "string": "green", "keyword": "blue",
    "comment": "dim",
}  # fmt: skip


def painted(lines: Iterable[Line], colour: bool = True) -> Text:
    """Return ``lines`` as one text; without ``colour`` only their characters."""
    text = Text(no_wrap=True, end="")
    for line in lines:
        for part, role in line:
            text.append(part, _style(role) if colour else "")
        text.rstrip()
        text.append("\n")
    return text


def _style(role: Role) -> str | Style:
    if isinstance(role, tuple):  # the brightness of the upper and the lower half of a cell
        upper, lower = (f"rgb({level},{level},{level})" for level in role)
        return Style(color=upper, bgcolor=lower)
    return STYLES.get(role, "") if isinstance(role, str) else ""
