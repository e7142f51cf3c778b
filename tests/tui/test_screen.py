"""Keys in, text out: the whole screen on a conversation made by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hand_made import NODES, FakeConversation, node_stop, op_stop
from screens import Seen, on_screen, screen

from gradrepl import draw, model, protocol
from gradrepl.commands import registry
from gradrepl.commands.table import COMMANDS, WORDS
from gradrepl.draw import ink, running
from gradrepl.errors import ConfigError
from gradrepl.launch import Options
from gradrepl.tui import keys, views
from gradrepl.tui.app import GradreplApp

SIZES = [(60, 15), (80, 24), (100, 30), (119, 33), (140, 40), (160, 45), (200, 60), (40, 10)]


def test_it_begins_with_the_prompt_and_a_welcome() -> None:
    async def body(seen: Seen) -> None:
        assert "READY" in seen.lines[0]
        assert "Nothing has run here yet." in seen.text
        assert ">>>" in seen.text
        assert seen.app.dock.typing

    on_screen(body)


def test_the_first_paint_does_not_wait_for_the_debuggee() -> None:
    class Slow(FakeConversation):
        async def start(self) -> None:
            await asyncio.Event().wait()

    async def run() -> None:
        app = GradreplApp(Slow)
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            text = "".join(
                part.text for strip in app.screen._compositor.render_strips() for part in strip
            )
            assert "gradrepl" in text
            assert "Nothing has run here yet." in text

    asyncio.run(run())


def test_stepping_forward_by_keys() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        assert "about to run" in seen.text
        await seen.press("escape")
        await seen.press("s", "s")
        assert seen.talk.entered == [":load train.py", ":step", ":step"]
        assert "PAUSED" in seen.lines[0]
        assert "op 3" in seen.lines[0]
        assert any(line.startswith("│●   3 relu") for line in seen.lines)
        assert "h = self.act(z)" in seen.text
        assert "▶ 27" in seen.text

    on_screen(body)


def test_a_backward_stop_switches_to_the_graph() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        await seen.press("escape", "s", "s")
        assert "[2 Bwd]" in seen.lines[0]
        assert "3/11" in seen.lines[0]
        assert any(line.startswith("│●   3 ◉─┬─╮   AddmmBackward0 fc2") for line in seen.lines)
        assert any(line.startswith("│◆   7") for line in seen.lines)
        assert "#3 AddmmBackward0" in seen.text
        seen.talk.at(op_stop(2))
        await seen.settle()
        assert "[1 Fwd]" in seen.lines[0]

    on_screen(body)


def test_a_stop_leaves_the_log_alone_while_one_types_there() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "6", "i")
        seen.talk.at(node_stop(1))
        await seen.settle()
        assert "[6 Log]" in seen.lines[0]
        await seen.press("escape")
        seen.talk.at(node_stop(2))
        await seen.settle()
        assert "[2 Bwd]" in seen.lines[0]

    on_screen(body)


def test_a_gone_debuggee_leaves_everything_shown() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        seen.talk.prompt, seen.talk.gone = None, model.Gone(how="killed by SIGKILL", code=-9)
        seen.talk.show(seen.talk.gone)
        seen.talk.on_change()
        await seen.press("escape")
        assert "ENDED" in seen.lines[0]
        assert "killed by SIGKILL" in seen.lines[0]
        assert "flatten" in seen.text
        assert ":restart" in seen.text
        await seen.press("R")
        assert seen.talk.entered[-1] == ":restart"
        assert not seen.app.dock.typing
        assert "flatten" not in seen.text

    on_screen(body)


def test_restarting_asks_first_while_the_code_runs_and_where_something_was_typed() -> None:
    async def running(seen: Seen) -> None:
        seen.talk.hold = asyncio.Event()
        await seen.type("train()")
        await seen.press("escape", "R")
        assert "Your code is still running. Start again?" in seen.text
        await seen.press("n")
        assert seen.talk.entered == ["train()"]
        await seen.press("R")
        await seen.press("y")
        assert seen.talk.entered == ["train()", ":restart"]
        seen.talk.hold.set()

    async def typed(seen: Seen) -> None:
        seen.talk.options = Options()
        await seen.press("R")
        assert "What you typed is lost then. Start again?" in seen.text
        await seen.press("y")
        assert seen.talk.entered == [":restart"]

    on_screen(running, typing=False)
    on_screen(typed, typing=False)


def test_the_raised_pane_shows_what_is_known_of_it() -> None:
    lines = running.exception(
        model.Stop(phase="exception", reason="x", site=None, exception="RuntimeError: no",
                   notes=("written by mul_ (a.py:3)",))
    )  # fmt: skip
    assert [ink.plain(line) for line in lines][:2] == [
        "RuntimeError: no", "written by mul_ (a.py:3)"
    ]  # fmt: skip


def test_why_it_stopped_is_not_cut_off() -> None:
    stop = model.Stop(
        phase="forward", reason="breakpoint 1: op linear", breakpoints=(1,), when="before",
        op=model.Op(id=7, name="linear", site=None),
        site=model.Site("/a/train.py", 3, "f", "x" * 99),
    )  # fmt: skip
    shown = ink.plain(draw.lines(stop, draw.Look(width=60))[0])
    assert shown.startswith("● %7 linear  not run yet  breakpoint 1: op linear  train")


def test_a_million_rows() -> None:
    def prepare(talk: FakeConversation) -> None:
        talk.total = 1_000_000

    async def body(seen: Seen) -> None:
        await seen.press("escape", "1")
        ops = seen.app.main.pages["fwd"].ops
        assert ops.total == 1_000_000
        assert len(ops.rows) < 300
        assert "1000000" in seen.text
        await seen.press("g")
        assert any(line.startswith("│✓       1 flatten") for line in seen.lines)
        await seen.type(":row 500000")
        assert any(line.startswith("│✓  500000 ") for line in seen.lines)
        assert len(ops.rows) < 5000
        asked = [request for request in seen.talk.asked if isinstance(request, protocol.OpRows)]
        assert all(request.count < 300 for request in asked)

    on_screen(body, prepare=prepare)


def test_a_step_asks_only_for_what_is_seen() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        await seen.press("escape")
        seen.talk.asked.clear()
        await seen.press("s")
        kinds = [type(request).__name__ for request in seen.talk.asked]
        assert kinds == ["NodeRows"]

    on_screen(body)


def test_the_cursor_looks_at_another_row_and_comes_back() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        await seen.press("escape", "s", "s")
        await seen.press("j", "j")
        assert "#5 TBackward0" in seen.text
        assert seen.talk.asked[-1] == protocol.NodeDetail(id=5)
        await seen.press("L")
        assert "#3 AddmmBackward0" in seen.text
        await seen.press("G")
        assert seen.app.main.pages["bwd"].nodes.cursor == len(NODES) - 1

    on_screen(body)


def test_breakpoint_run_to_cursor_and_find_on_the_selection() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        await seen.press("escape", "slash", *"relu", "enter")
        assert seen.app.main.pages["bwd"].nodes.cursor == 6
        await seen.press("b")
        assert seen.talk.entered[-1] == ":break node ReluBackward0"
        await seen.press("slash")
        seen.app.main.finder.value = "fc2.w"
        await seen.press("enter", "b", "t")
        assert seen.talk.entered[-2:] == [":break leaf fc2.weight", ":until #6"]

    on_screen(body)


def test_maximise_and_the_dock() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "m")
        assert "REPL" not in seen.text
        assert "Ops" in seen.text
        assert "%1 flatten" not in seen.text
        await seen.press("escape")
        assert "REPL" in seen.text
        assert "%1 flatten" in seen.text
        await seen.press("f2")
        assert "REPL" not in seen.text
        await seen.press("f2", "tab", "m")
        assert "Ops" not in seen.text
        await seen.press("m")
        assert "Ops" in seen.text

    on_screen(body)


def test_help_and_palette_name_everything() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "question_mark")
        assert "Keys and commands" in seen.text
        text = seen.app.screen.query_one("#help").text()  # type: ignore[attr-defined]
        for key in views.everywhere():
            assert key.help in text
        for command in COMMANDS.values():
            assert command.usage[:22] in text
        await seen.press("escape")
        assert "Keys and commands" not in seen.text
        from gradrepl.tui.dialogs import offers

        offered = " ".join(f"{name} {help}" for name, help, _ in offers(seen.app))
        assert all(command.usage in offered for command in COMMANDS.values())
        assert all(key.help in offered or f":{key.word}" in offered for key in views.everywhere())

    on_screen(body, size=(160, 45))


def test_every_key_is_a_word_and_no_key_means_two_things() -> None:
    seen: dict[str, str] = {}
    for key in views.everywhere():
        for name in key.keys.split(","):
            assert seen.setdefault(name, key.id) == key.id, name
        if key.action.startswith(("send(", "prefill(")):
            assert key.word in COMMANDS
        elif key.word != "restart":
            first = key.word.partition(" ")[0]
            assert first not in WORDS or first in ("until", "break", "quit"), first
    assert len({key.id for key in views.everywhere()}) == len(views.everywhere())
    for command in COMMANDS.values():
        if command.key is None or command.key.page:  # that of one page is none of everywhere
            continue
        for name in command.key.keys.split(","):
            assert seen[keys.names_of(name)] == f"command.{command.name}"


def test_every_entry_of_every_footer_names_keys_that_there_are() -> None:
    known = {key.id for key in views.every()}
    feet = [*keys.FEET.values(), *(view.feet for view in views.VIEWS)]
    assert [foot for each in feet for foot in each if {*foot.ids} - known] == []


def test_the_key_of_a_plugins_command_is_bound_and_may_not_be_anothers() -> None:
    @registry.command("heat", group="Looking", key=registry.Press("ctrl+t", "Heat: how hot it is"))
    async def heat(talk: Any) -> None:
        """Show how hot it is."""

    @registry.command("cold", group="Looking", key=registry.Press("j", "Cold"))
    async def cold(talk: Any) -> None:
        """Show how cold it is."""

    async def body(seen: Seen) -> None:
        await seen.stop_at(op_stop(2))
        registry.enter(heat.command, "a plugin")  # type: ignore[attr-defined]
        seen.app.add_key(heat.command)  # type: ignore[attr-defined]
        await seen.press("escape", "ctrl+t")
        assert seen.talk.entered[-1] == ":heat"
        registry.enter(cold.command, "a plugin")  # type: ignore[attr-defined]
        with pytest.raises(ConfigError, match="'j' would be both"):
            seen.app.add_key(cold.command)  # type: ignore[attr-defined]

    try:
        on_screen(body)
    finally:
        registry.leave("a plugin")


def test_keys_that_come_before_the_commands_are_done_when_these_are_there() -> None:
    async def run() -> None:
        app = GradreplApp(FakeConversation, typing=False)
        begin, app._begin = app._begin, lambda: None  # type: ignore[method-assign]
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("s", "f2", "n")
            assert app.main.has_class("-nodock")  # the screen's own are done at once
            begin()
            seen = Seen(app, pilot, app.talk)  # type: ignore[arg-type]
            await seen.settle()
            assert seen.talk.entered == [":step", ":next"]

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_every_size(size: tuple[int, int]) -> None:
    async def body(seen: Seen) -> None:
        for entry in (":load train.py", "bw loss"):
            await seen.type(entry)
            await seen.press("escape", "s", "s")
            assert len(seen.lines) == size[1]
            assert "PAUSED" in seen.lines[0]
            assert "●" in seen.text
            assert "q Quit" in seen.lines[-1]
            assert len(seen.lines[-1].rstrip()) <= size[0]
            if size >= (60, 15):
                assert "REPL" in seen.text

    on_screen(body, size=size)


def test_resizing_at_any_time() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        await seen.press("escape", "s", "s")
        for size in (*SIZES, (80, 24)):
            await seen.pilot.resize_terminal(*size)
            await seen.settle()
            assert any("●   3" in line for line in seen.lines), size
        await seen.pilot.resize_terminal(160, 45)
        await seen.settle()
        assert "Gradient flow so far" in seen.text
        await seen.press("1")
        assert "Breakpoints" in seen.text
        assert "train_step" in seen.text

    on_screen(body)


def test_names_with_markup_are_shown_as_they_are() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("x['[/b]']")
        seen.talk.show(model.Error(message="NameError: [/b] [red]", kind="NameError"))
        stop = op_stop(1)
        stop = model.msgspec.structs.replace(
            stop, module="[/b]", op=model.msgspec.structs.replace(stop.op, name="[/i]")
        )
        seen.talk.at(stop)
        await seen.settle()
        await seen.press("escape", "slash", *"[/b]", "enter")
        assert "NameError: [/b] [red]" in seen.text
        assert "%1 [/i]" in seen.text

    on_screen(body)


def test_ascii_characters_only() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        await seen.press("escape", "s")
        assert seen.text.isascii()
        assert "|@   2" in seen.text

    on_screen(body, ascii=True)


def test_a_bug_leaves_a_log_without_values(tmp_path: Any) -> None:
    async def run() -> None:
        async with screen() as seen:
            secret = "value-of-a-tensor"
            assert secret

            def wrong(width: int) -> Any:
                raise ZeroDivisionError("ours")

            seen.app.call_later(seen.app.dock.transcript.add, wrong)
            await seen.pilot.pause()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())
    (log,) = (tmp_path / "gradrepl" / "crashes").iterdir()
    assert "ZeroDivisionError: ours" in log.read_text()
    assert "value-of-a-tensor" not in log.read_text().replace('secret = "value-of-a-tensor"', "")
