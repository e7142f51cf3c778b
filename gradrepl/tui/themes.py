"""Our themes; any theme of Textual's can be chosen too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textual.app import App
from textual.theme import BUILTIN_THEMES, Theme

TABLE = """
              dark     light    contrast  ansi
primary       #7aa2f7  #2e5bc7  #6cc7ff   ansi_blue
secondary     #9d7cd8  #7a3fb8  #e0b0ff   ansi_magenta
accent        #e0af68  #9a5b00  #ffd84d   ansi_yellow
error         #f7768e  #c01f3e  #ff8080   ansi_red
success       #9ece6a  #2f7a1f  #7dff7d   ansi_green
foreground    #c8d0e0  #1f2633  #ffffff   ansi_default
background    #11141c  #fbfbf8  #000000   ansi_default
panel         #1a1f2b  #eef0f2  #000000   ansi_default
boost         #1f2533  #e6e9ee  #202020   ansi_default
border-quiet  #3b4358  #b9c0cc  #a0a0a0   ansi_bright_black
text-quiet    #7d88a3  #66707f  #d0d0d0   ansi_bright_black
row           #232b3d  #dfe6f5  #003a70   ansi_default
row-here      #2b2a22  #f6ecd2  #4a3c00   ansi_default
leaf          #73daca  #00796b  #5ffbf1   ansi_cyan
bar           #1a1f2b  #e9ecf1  #202020   ansi_default
"""
"""The colours of each theme; the last six are variables of our own."""
OWN = 6


def _themes() -> Iterator[Theme]:
    """Make the themes of the table; a warning is an accent, a surface the background."""
    names, *rows = (line.split() for line in TABLE.strip().splitlines())
    for column, name in enumerate(names, 1):
        colours: dict[str, Any] = {row[0]: row[column] for row in rows}
        own = {row[0]: colours.pop(row[0]) for row in rows[-OWN:]}
        ansi = name == "ansi"  # the sixteen colours as the terminal has them
        yield Theme(
            name=f"gradrepl-{name}",
            dark=name != "light",
            ansi=ansi,
            warning=colours["accent"],
            surface=colours["background"],
            variables={**(BUILTIN_THEMES["ansi-dark"].variables if ansi else {}), **own},
            **colours,
        )


OURS = tuple(_themes())
DARK, LIGHT = OURS[:2]
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
