"""Keys bound anew, and themes, on the screen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from screens import Seen, on_screen

from gradrepl.tui import keymaps, themes, views
from gradrepl.tui.keys import NOW
from gradrepl.tui.views import VIEWS, View


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    NOW.clear()


def test_keys_bound_anew_do_what_footer_and_help_say() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "s")
        assert ":step" not in seen.talk.entered
        await seen.press("z")
        assert seen.talk.entered[-1] == ":step"
        await seen.press("space")
        assert seen.talk.entered[-1] == ":next"
        assert "z Space r c step" in seen.text
        assert "Q Quit" in seen.text
        await seen.press("question_mark")
        help = seen.app.screen.query_one("#help").text()  # type: ignore[attr-defined]
        assert "z F12" in help
        await seen.press("escape", "q")
        assert "Quit?" not in seen.text

    keymap = keymaps.chosen("vim", {"command.step": "z,f12", "screen.quit": "Q"})
    on_screen(body, size=(120, 35), keymap=keymap)


@pytest.mark.parametrize("name", themes.SHORT)
def test_every_theme_draws_and_marks_the_selected_row(name: str) -> None:
    async def body(seen: Seen) -> None:
        assert seen.app.theme == themes.SHORT[name]
        await seen.type(":load train.py")
        await seen.type("bw loss")
        await seen.press("escape", "s", "j")
        panel = seen.app.main.pages["bwd"].nodes
        strips = [panel.render_line(y) for y in range(5)]
        grounds = [{str(s.style.bgcolor) if s.style else "" for s in strip} for strip in strips]
        marked = [any(s.style and s.style.reverse for s in strip) for strip in strips]
        row = panel.cursor + 1  # under the titles
        assert grounds[row] != grounds[row + 1] or marked[row] != marked[row + 1]

    on_screen(body, size=(120, 35), theme=name)


def test_an_unknown_theme_is_the_dark_one() -> None:
    async def body(seen: Seen) -> None:
        assert seen.app.theme == themes.DARK.name
        await seen.type(":theme nosuch")
        assert any("dark, light, contrast, ansi" in str(n.message) for n in seen.app._notifications)

    on_screen(body, theme="nosuch")


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_no_key_of_a_page_begins_a_text_elsewhere(view: View) -> None:
    keyed = [key for key in views.everywhere() if key.binding.priority]
    first = {name for key in keyed for name in key.keys.split(",")}
    assert "colon" in first
    assert not first & {name for key in view.keys for name in key.keys.split(",")}
