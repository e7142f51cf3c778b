"""Pages: every screen is one, and what a key means is asked there first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hand_made import node_stop, op_stop
from msgspec.structs import replace
from screens import Seen, on_screen

from gradrepl import model
from gradrepl.commands import registry
from gradrepl.draw.ink import Line, span
from gradrepl.errors import PluginError
from gradrepl.tui import views
from gradrepl.tui.keys import COMMAND, HELP, QUIT, Key
from gradrepl.tui.pages.page import Ask, Page, PaperPage, make
from gradrepl.tui.pages.step import StepPage
from gradrepl.tui.panels.base import ink_of
from gradrepl.tui.panels.rows import RowList
from gradrepl.tui.views import VIEWS, View


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_screen_is_a_page_with_its_keys(view: View) -> None:
    page = make(view)
    assert view.name == page.VIEW
    assert {key.id for key in view.keys} <= {binding.id for _, binding in page._bindings}
    for key in view.keys:
        name = key.action.partition("(")[0]
        assert name.startswith("app.") or hasattr(page, f"action_{name}")


class NameList(RowList[str]):
    """Some names."""

    def draw_head(self, width: int) -> Line:
        return [(" name", "title")]

    def draw_row(self, row: str, index: int, width: int) -> Line:
        return [span(f" {row}")]


def page_of_names() -> Page:
    """Make the page; its class finds its row in the table of screens."""

    class Names(Page):
        """A list, and what its rows stand for."""

        VIEW = "names"

        def __init__(self) -> None:
            super().__init__()
            self.list = self.details = self.names = NameList("names")

        async def renew(self, ask: Ask) -> None:
            self.names.fill(("weight", "bias"))

        def receive(self, record: model.Record) -> str | None:
            return "a value came" if isinstance(record, model.Value) else None

        def name_here(self) -> str:
            return self.names.rows.get(self.names.cursor, "")

        def condition(self) -> str:
            return f"name {self.name_here()}"

        def action_describe(self) -> None:
            self.host.action_send(f"t {self.name_here()}")

        def action_sideways(self, cells: int) -> None:
            self.host.say(f"{cells} cells")

    return Names()


@pytest.fixture
def names() -> Iterator[View]:
    before = VIEWS[:]
    row = Key("names.describe", "z", "describe", "names-describe", "Everything about it", "Names")
    yield View(
        "names",
        "9",
        "Names",
        "Names here",
        "names",
        (COMMAND, HELP, QUIT),
        (row,),
        page=page_of_names,
    )
    VIEWS[:] = before
    del views.BY_NAME["names"]


def test_a_page_of_one_file(names: View) -> None:
    async def body(seen: Seen) -> None:
        seen.app.add_view(names)
        await seen.stop_at(op_stop(2))
        await seen.press("escape", "9", "j")
        assert "[9 Names]" in seen.lines[0]
        await seen.press("j", "b")
        assert seen.talk.entered[-1] == ":break name bias"
        await seen.press("v")
        assert seen.talk.entered[-1] == ":versions bias"
        await seen.press("z")
        assert seen.talk.entered[-1] == ":t bias"
        await seen.press("l")
        assert "8 cells" in seen.text  # the page's own, not the screen's
        await seen.press("slash", *"wei", "enter")
        assert seen.app.main.page.name_here() == "weight"
        await seen.type("x")
        assert "a value came" in seen.app.dock.transcript.text()
        await seen.press("escape", "y")
        assert seen.app.clipboard == " name\n weight\n bias"
        await seen.press("enter", "escape", "1")
        assert "[1 Fwd]" in seen.lines[0]

    on_screen(body)


def test_a_plugins_command_may_have_a_key_on_one_page(names: View) -> None:
    press = registry.Press("ctrl+t", "How hot it is", page="names", foot="Heat")

    @registry.command("heat", group="Looking", key=press)
    async def heat(talk: Any) -> None:
        """Show how hot it is."""

    async def body(seen: Seen) -> None:
        seen.app.add_view(names)
        await seen.press("escape", "9")
        seen.app.add_key(heat.command)  # type: ignore[attr-defined]  # the page is open already
        await seen.press("1", "9", "ctrl+t")
        assert seen.talk.entered == [":heat"]
        assert "^t Heat" in seen.lines[-1]
        assert views.BY_NAME["names"].keys[-1].id == "names.heat"
        await seen.press("1", "ctrl+t")
        assert seen.talk.entered == [":heat"]  # elsewhere it is no key

    on_screen(body)
    command = replace(heat.command, key=replace(press, page="nowhere"))  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match="no screen 'nowhere'"):
        views.add_key(command)


def test_a_stop_leaves_a_page_open_that_is_read(names: View) -> None:
    async def body(seen: Seen) -> None:
        seen.app.add_view(names)
        await seen.press("escape", "9")
        await seen.stop_at(op_stop(2))
        assert "[9 Names]" in seen.lines[0]
        await seen.press("6")
        await seen.stop_at(op_stop(3))
        assert "[1 Fwd]" in seen.lines[0]

    on_screen(body)


def test_source_is_in_the_colours_of_the_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("'''Train\n" + "for all of us\n" * 40 + "'''\nfor x in y:\n    pass\n")
    there = model.Site(str(file), 30, "step", "for all of us")
    stop = node_stop(3)
    assert stop.node is not None
    stop = replace(stop, node=replace(stop.node, site=there))

    async def body(seen: Seen) -> None:
        await seen.stop_at(stop)
        page = seen.app.main.page
        assert isinstance(page, StepPage)
        (line,) = (line for line in page.source.lines if line[0][0] == "▶")
        assert line[-1] == ("for all of us", "string")
        prompt = seen.app.dock.prompt
        await seen.press("i")
        prompt.put("x = '''\nfor'''")
        string = ink_of(prompt, "ink-string")
        assert [span.style for span in prompt.get_line(1).spans] == [string, string]

    on_screen(body, size=(160, 45))


def test_a_page_of_text_stands_for_nothing() -> None:
    class Text(PaperPage):
        VIEW = "text"

    page = Text()
    assert page.list is page.details is page.paper
    assert (page.condition(), page.place(), page.name_here(), page.node_here()) == ("",) * 4
    assert not page.printed()
    assert not page.gives_way(typing=False)
    assert page.looking is None
