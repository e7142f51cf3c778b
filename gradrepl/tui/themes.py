"""Our themes; any theme of Textual's can be chosen too."""

from __future__ import annotations

from textual.app import App
from textual.theme import BUILTIN_THEMES, Theme

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
CONTRAST = Theme(
    name="gradrepl-contrast",
    dark=True,
    primary="#6cc7ff",
    secondary="#e0b0ff",
    accent="#ffd84d",
    warning="#ffd84d",
    error="#ff8080",
    success="#7dff7d",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    boost="#202020",
    variables={"border-quiet": "#a0a0a0", "text-quiet": "#d0d0d0", "row": "#003a70",
               "row-here": "#4a3c00", "leaf": "#5ffbf1", "bar": "#202020"},
)  # fmt: skip
ANSI = Theme(
    name="gradrepl-ansi",
    dark=True,
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_magenta",
    accent="ansi_yellow",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={**BUILTIN_THEMES["ansi-dark"].variables,
               "border-quiet": "ansi_bright_black", "text-quiet": "ansi_bright_black",
               "row": "ansi_default", "row-here": "ansi_default", "leaf": "ansi_cyan",
               "bar": "ansi_default"},
)  # fmt: skip
"""The sixteen colours as the terminal has them."""
OURS = (DARK, LIGHT, CONTRAST, ANSI)
DEFAULTS = {
    "border-quiet": "#5a6275", "text-quiet": "#848da0", "row": "#3a4258",
    "row-here": "#4a4433", "leaf": "#3aa99f", "bar": "#2a3040",
}  # fmt: skip
"""What our own variables are in a theme that does not know them."""
SHORT = {theme.name.removeprefix("gradrepl-"): theme.name for theme in OURS}


class Themed(App[int]):
    """An app in one of our themes, or of Textual's."""

    def __init__(self, theme: str) -> None:
        super().__init__()
        for each in OURS:
            self.register_theme(each)
        if not self.choose(theme):
            self.theme = DARK.name

    def on_mount(self) -> None:
        """Know how many colours there are."""
        self.theme_changed_signal.subscribe(self, lambda theme: self.sixteen(theme.ansi))
        self.sixteen(self.current_theme.ansi)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Give our own variables to themes that do not know them."""
        return dict((DARK if self.current_theme.dark else LIGHT).variables)

    def themes_offered(self) -> list[str]:
        """Return the names of the themes."""
        return [*SHORT, *(name for name in self.available_themes if "gradrepl" not in name)]

    def choose(self, name: str) -> bool:
        """Choose a theme by its name; return whether there is one."""
        name = SHORT.get(name, name)
        known = name in self.available_themes
        if known:
            self.theme = name
        return known

    def sixteen(self, colours: bool) -> None:
        """Mark the selected row by reversing it, where it has no ground of its own."""
        self.set_class(colours or self.no_color, "-sixteen")

    def action_next_theme(self) -> None:
        """Dark or light."""
        self.theme = DARK.name if self.theme == LIGHT.name else LIGHT.name
