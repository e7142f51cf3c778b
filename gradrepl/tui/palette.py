"""What the palette (Ctrl+P) offers: every command, and every action of the screen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

from gradrepl.tui import keys
from gradrepl.tui.views import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable


def offers(app: Any) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Yield name, help and what it does."""
    from gradrepl.commands.table import COMMANDS

    bound = {key.word: key.shown for key in keys.everywhere()}
    for command in COMMANDS.values():
        key = bound.get(command.name)
        name = f":{command.usage}" + (f"   [{key}]" if key else "")
        yield name, command.summary, partial(app.run_action, keys.action_of(command))
    for entry in (*keys.OWN, *keys.PLUGGED):
        if entry.word not in keys.INSTEAD:
            name = f"{entry.help}   [{entry.shown}]"
            yield name, f":{entry.word}", partial(app.run_action, entry.action)
    for entry in BY_NAME[app.main.view].keys:
        if entry.word not in COMMANDS:
            name = f"{entry.help}   [{entry.shown}]"
            act = partial(app.run_action, entry.action, app.main.page)
            yield name, f"On {app.main.view}: {entry.word}", act
    for theme in app.themes_offered():
        yield f"Theme {theme}", f":theme {theme}", partial(app.run_action, f"theme('{theme}')")


class Everything(Provider):
    """All commands and actions, found by their name or their help."""

    async def discover(self) -> Hits:
        """Yield everything, for the empty line."""
        for name, help, act in offers(self.app):
            yield DiscoveryHit(_plain(name), act, text=name, help=_markup_free(help))

    async def search(self, query: str) -> Hits:
        """Yield what matches ``query``."""
        matcher = self.matcher(query)
        for name, help, act in offers(self.app):
            score = max(matcher.match(name), matcher.match(help) * 0.7)
            if score > 0:
                yield Hit(score, _plain(name), act, text=name, help=_markup_free(help))


def _plain(text: str) -> Any:
    from textual.content import Content

    return Content(text)


def _markup_free(text: str) -> str:
    """Return ``text`` so that its brackets begin no markup."""
    return text.replace("[", r"\[")
