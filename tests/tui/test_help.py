"""``?`` on every pane, ``:help WORD``, and the palette."""

from __future__ import annotations

import pytest
from hand_made import node_stop, op_stop
from screens import Seen, on_screen
from textual.content import Content

from gradrepl.commands.session import NAMES, topic
from gradrepl.commands.table import COMMANDS
from gradrepl.conditions import KINDS, kinds, parse
from gradrepl.tui import views
from gradrepl.tui.dialogs import _markup_free, about, offers
from gradrepl.tui.pages.page import make
from gradrepl.tui.panels.base import Panel, Paper
from gradrepl.tui.panels.rows import RowList
from gradrepl.tui.views import VIEWS


def panes(kind: type[Panel]) -> list[type[Panel]]:
    """Return every panel below ``kind`` that is a pane of ours with a name."""
    for view in VIEWS:
        make(view)
    found = [kind]
    for each in found:
        found += each.__subclasses__()
    return [each for each in found if each.NAME and each.__module__.startswith("gradrepl.")]


def test_every_pane_says_what_it_shows() -> None:
    named = {each.NAME: each.HELP for each in panes(Panel) if each.NAME != "Help"}
    assert len(named) > 15
    for name, text in named.items():
        assert 60 < len(text) < 480, name
        assert text.endswith("."), name


def test_the_glyphs_of_the_lists_are_explained() -> None:
    for pane in panes(RowList):  # type: ignore[type-abstract]
        assert any(glyph in pane.HELP for glyph in "✓●!▼"), pane.NAME
    assert issubclass(panes(Paper)[0], Paper)


def helped(seen: Seen) -> str:
    text: str = seen.app.screen.query_one("#help").text()  # type: ignore[attr-defined]
    return text


def test_help_begins_with_the_focused_pane() -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(node_stop(3))
        for stops, name in ((0, "Graph"), (1, "Inspect")):
            await seen.press("escape", *["tab"] * stops, "question_mark")
            text = helped(seen)
            assert text.startswith(f"{name}\n")
            assert f"Keys of {name}" in text
            assert "Maximise this pane" in text
            assert "Enter" not in text.partition(f"Keys of {name}")[0]
            await seen.press("escape")
        assert "◇ a leaf" in seen.app.main.pages["bwd"].nodes.HELP
        await seen.press("i", "f1")
        assert helped(seen).startswith("REPL\n")
        assert "run the entry when it is complete" in helped(seen).partition("In the panes")[0]

    on_screen(body, size=(160, 45))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_help_of_each_screen_has_its_own_keys(view: object) -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(op_stop(2))
        await seen.press("escape", view.digit)  # type: ignore[attr-defined]
        said = about(seen.app.main, seen.app.main.mode_of(seen.app.talk))
        assert said.text
        meanings = {text for _, text in said.keys}
        assert {key.help for key in view.keys} <= meanings  # type: ignore[attr-defined]
        offered = " ".join(f"{name} {help}" for name, help, _ in offers(seen.app))
        assert all(key.help in offered or f":{key.word}" in offered
                   for key in view.keys)  # type: ignore[attr-defined]  # fmt: skip

    on_screen(body)


def test_the_palette_has_every_command_with_its_key() -> None:
    async def body(seen: Seen) -> None:
        names = [name for name, _, _ in offers(seen.app)]
        bound = {key.word: key.shown for key in views.everywhere()}
        for command in COMMANDS.values():
            (name,) = [n for n in names if n.startswith(f":{command.usage}")
                       and n[len(command.usage) + 1 :][:1] in ("", " ")]  # fmt: skip
            if command.name in bound:
                assert f"[{bound[command.name]}]" in name

    on_screen(body)


def test_brackets_are_shown_in_the_palette_as_they_are() -> None:
    for text in ("dataset[I]", "[/b] [red]x", "[COUNT|STATEMENT]   [s F11]", "x[0] = [1, 2]"):
        assert Content.from_markup(_markup_free(text)).plain == text


def test_a_key_and_a_word_of_the_screen_are_explained_there() -> None:
    async def body(seen: Seen) -> None:
        for word, answer in (
            ("F10", "Next: over child modules; over leaves and views."),
            ("^d", "Down half a page."),
            ("maximise", "Maximise the pane."),
            ("]", "Later op or node."),
        ):
            await seen.type(f":help {word}")
            assert answer in seen.text
        assert seen.talk.entered == []
        await seen.type(":help step")
        assert seen.talk.entered == [":help step"]  # a command is the conversation's to explain

    on_screen(body)


def said(word: str) -> str:
    import asyncio

    record = asyncio.run(COMMANDS["help"].function(None, word))
    return f"{record.title}\n{record.body}"


@pytest.mark.parametrize("word", [*KINDS, "$gin", "gin", "grad_in", "$leaf", "out", "%", "@"])
def test_help_explains_what_is_no_command(word: str) -> None:
    assert topic(word) is not None
    assert topic(word)[1] in said(word)  # type: ignore[index]


def test_a_word_that_is_both_is_explained_as_both() -> None:
    text = said("leaf")
    assert "says in one sentence whether it is a leaf" in text
    assert "b leaf fc1.weight" in text
    assert NAMES["leaf"] in text


def test_every_kind_of_breakpoint_is_explained_as_it_is_written() -> None:
    for kind in kinds():
        examples, _, where = kind.help.partition(": ")
        assert where.endswith("."), kind.word
        for example in examples.split(", b "):
            condition = parse(example.removeprefix("b "))
            assert kind.word == "odd_batch" or isinstance(condition, kind), example


@pytest.mark.parametrize(
    ("word", "nearest"), [("brek", "break"), ("shap", "shape"), ("verdct", "verdict")]
)
def test_the_nearest_word_is_offered(word: str, nearest: str) -> None:
    from gradrepl.errors import UsageError

    with pytest.raises(UsageError) as caught:
        said(word)
    assert caught.value.hint == f"Did you mean ':help {nearest}'?"


def test_a_key_of_a_command_finds_it_in_every_face() -> None:
    assert said("I").startswith("into")
