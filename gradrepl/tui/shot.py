"""The screen as a picture and as text, for ``:export screen``; nothing of it is fetched."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gradrepl.export.records import Screen

if TYPE_CHECKING:
    from textual.app import App


def shot(app: App[Any]) -> Screen:
    """Return what is on the screen now."""
    width, height = app.size
    console = Console(
        width=width, height=height, file=io.StringIO(), force_terminal=True,
        color_system="truecolor", record=True, legacy_windows=False, safe_box=False,
    )  # fmt: skip
    strips = app.screen._compositor.render_strips()
    console.print(app.screen._compositor.render_update(full=True))
    text = "\n".join("".join(part.text for part in strip) for strip in strips)
    return Screen(console.export_svg(title="gradrepl"), text)
