"""A record as something to see: one function, :func:`render`, serves every face.

It returns Rich renderables whose text is taken as it is: a user's ``[/b]`` is never markup. With
``Look.plain`` every line holds one fact, without colour or ornament, for a screen reader.
Meaning is never in the colour alone.
"""

from __future__ import annotations

import io

from rich.console import Console

from gradrepl import model

# Each of these registers what it draws.
from gradrepl.render import (  # noqa: F401
    chain,
    data,
    epochs,
    export,
    health,
    lists,
    memory,
    modules,
    plugins,
    stepping,
    words,
)
from gradrepl.render.pieces import ASCII, Look, render

__all__ = ["ASCII", "Look", "printed", "render", "show"]


def printed(record: model.Record, look: Look = Look(), width: int = 100) -> str:  # noqa: B008
    """Return the text of ``record`` without colour, a newline at its end."""
    out = io.StringIO()
    console = Console(
        file=out, width=width, color_system=None, markup=False, emoji=False, force_jupyter=False
    )  # fmt: skip
    show(console, record, look)
    return out.getvalue()


def show(console: Console, record: model.Record, look: Look) -> None:
    """Print ``record``; long lines are left to the terminal, so that they can be copied."""
    console.print(render(record, look), soft_wrap=True, highlight=False, markup=False, emoji=False)
