"""Our two themes; any theme of Textual's can be chosen too."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="gradrepl-dark",
    dark=True,
    primary="#7aa2f7",
    secondary="#9d7cd8",
    accent="#e0af68",
    warning="#e0af68",
    error="#f7768e",
    success="#9ece6a",
    foreground="#c8d0e0",
    background="#11141c",
    surface="#11141c",
    panel="#1a1f2b",
    boost="#1f2533",
    variables={"border-quiet": "#3b4358", "text-quiet": "#7d88a3", "row": "#232b3d",
               "row-here": "#2b2a22", "leaf": "#73daca", "bar": "#1a1f2b"},
)  # fmt: skip
LIGHT = Theme(
    name="gradrepl-light",
    dark=False,
    primary="#2e5bc7",
    secondary="#7a3fb8",
    accent="#9a5b00",
    warning="#9a5b00",
    error="#c01f3e",
    success="#2f7a1f",
    foreground="#1f2633",
    background="#fbfbf8",
    surface="#fbfbf8",
    panel="#eef0f2",
    boost="#e6e9ee",
    variables={"border-quiet": "#b9c0cc", "text-quiet": "#66707f", "row": "#dfe6f5",
               "row-here": "#f6ecd2", "leaf": "#00796b", "bar": "#e9ecf1"},
)  # fmt: skip
DEFAULTS = {
    "border-quiet": "#5a6275", "text-quiet": "#848da0", "row": "#3a4258",
    "row-here": "#4a4433", "leaf": "#3aa99f", "bar": "#2a3040",
}  # fmt: skip
"""What our own variables are in a theme that does not know them."""
SHORT = {"dark": DARK.name, "light": LIGHT.name}
