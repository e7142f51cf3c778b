"""What a program or a notebook asks for itself: ``watch()`` and ``trace()``, and how they show.

Both look on in the user's own process, with no face; what they return draws itself.
"""

from __future__ import annotations

from typing import Any


def html(shown: Any) -> str | None:
    """Return what a notebook shows for a watch's health or a trace, if a plugin makes that."""
    from gradrepl import plugins

    here = plugins.here("program")
    here.load()
    return next((text for _, text in here.call("gradrepl_html", shown=shown)), None)
