"""Typing, history, output and leaving, on a conversation made by hand."""

from __future__ import annotations

import asyncio

import pytest
from screens import Seen, on_screen, screen

from gradrepl import model


def test_text_and_transcript_are_the_same_on_every_screen() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("x = 1")
        seen.app.dock.prompt.put("half a line")
        await seen.press("escape")
        for key in ("6", "2", "1"):
            await seen.press(key)
            assert ">>> x = 1" in seen.text
            assert "half a line" in seen.text

    on_screen(body)


def test_keys_typed_at_once_after_a_colon_are_text() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape")
        await seen.press("colon", *"bsnq")
        assert seen.app.dock.prompt.text == ":bsnq"
        assert seen.talk.entered == []

    on_screen(body)


def test_letters_are_text_while_typing() -> None:
    async def body(seen: Seen) -> None:
        await seen.press(*"snrcqm?6")
        assert seen.app.dock.prompt.text == "snrcqm?6"

    on_screen(body)


def test_an_incomplete_block_gets_another_line() -> None:
    async def body(seen: Seen) -> None:
        await seen.press(*"for", "space", *"i:", "enter")
        assert seen.app.dock.prompt.text == "for i:\n    "
        assert seen.talk.entered == []
        await seen.press("p", "enter", "enter")
        assert seen.talk.entered == ["for i:\n    p"]

    on_screen(body)


def test_history_and_its_suggestion_and_search() -> None:
    async def body(seen: Seen) -> None:
        for text in ("first = 1", "second = 2", "third = 3"):
            await seen.type(text)
        await seen.press("up", "up")
        assert seen.app.dock.prompt.text == "second = 2"
        await seen.press("down", "down")
        assert seen.app.dock.prompt.text == ""
        await seen.press("f", "i")
        assert seen.app.dock.prompt.suggestion == "rst = 1"
        await seen.press("right")
        assert seen.app.dock.prompt.text == "first = 1"
        await seen.press("ctrl+c", "ctrl+r", "s", "e", "c")
        assert seen.app.dock.prompt.text == "second = 2"
        assert "(search 'sec')" in seen.text
        await seen.press("enter")
        assert seen.talk.entered[-1] == "second = 2"

    on_screen(body)


def test_history_is_kept_for_the_next_session() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("kept = 1")

    async def later(seen: Seen) -> None:
        await seen.press("ctrl+p")
        assert seen.app.dock.prompt.text == "kept = 1"
        assert len(seen.app.screen_stack) == 1

    on_screen(body)
    on_screen(later)


def test_tab_completes() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("r", "e", "tab")
        assert seen.app.dock.prompt.text == "re"
        assert "relu  relu_  reshape" in seen.text
        await seen.press("l", "tab")
        assert seen.app.dock.prompt.text == "relu"

    on_screen(body)


def test_input_takes_a_line_from_the_dock_and_gives_the_keys_back() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape")
        seen.talk.prompt, seen.talk.waiting_input = None, True
        seen.talk.on_change()
        await seen.settle()
        assert "input: " in seen.text
        await seen.press(*"Bob", "enter")
        assert seen.talk.fed == ["Bob"]
        assert not seen.app.dock.typing

    on_screen(body)


def test_ctrl_c_interrupts_clears_or_says_how_to_leave() -> None:
    async def body(seen: Seen) -> None:
        await seen.press(*"abc", "ctrl+c")
        assert seen.app.dock.prompt.text == ""
        assert seen.talk.interrupts == 0
        seen.talk.prompt = None
        await seen.press("ctrl+c")
        assert seen.talk.interrupts == 1
        seen.talk.at_prompt()
        await seen.press("escape", "ctrl+c")
        assert seen.talk.interrupts == 1
        assert "q quits" in seen.text

    on_screen(body)


@pytest.mark.parametrize("how", [("escape", "q"), ("ctrl+q",), ("ctrl+d",)])
def test_ways_to_quit(how: tuple[str, ...]) -> None:
    async def run() -> None:
        async with screen() as seen:
            seen.talk.exit_code = 3
            await seen.pilot.press(*how)
            await seen.pilot.pause()
            app = seen.app
        assert app.return_value == 3

    asyncio.run(run())


def test_quit_asks_while_code_runs() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape")
        seen.talk.prompt = None
        await seen.press("q")
        assert "still running" in seen.text
        await seen.press("n")
        assert "still running" not in seen.text
        assert not seen.talk.finished

    on_screen(body)


def test_quit_leaves_a_program_of_somebody_elses_at_once() -> None:
    async def run() -> None:
        async with screen() as seen:
            await seen.press("escape")
            seen.talk.ours, seen.talk.prompt = False, None
            await seen.pilot.press("q")
            await seen.pilot.pause()
            app = seen.app
        assert app.return_value == 0

    asyncio.run(run())


def test_what_is_typed_ahead_is_an_entry_of_its_own() -> None:
    async def body(seen: Seen) -> None:
        prompt = seen.app.dock.prompt
        await seen.press(*"one")
        prompt._enter()
        prompt.insert("two")  # before the message of the first has come
        await seen.settle()
        assert prompt.text == "two"
        assert seen.talk.entered == ["one"]

    on_screen(body)


def test_a_stop_before_any_op_is_recorded_says_what_records_them() -> None:
    async def body(seen: Seen) -> None:
        seen.talk.at(model.Stop(phase="forward", reason="pause", site=None))
        await seen.settle()
        said = [str(line) for line in seen.app.main.pages["fwd"].ops.draw_empty(78)]
        assert "No op is recorded yet" in said[0]

    on_screen(body)


def test_output_goes_to_the_log_and_beside_what_was_typed() -> None:
    async def body(seen: Seen) -> None:
        seen.talk.hold = asyncio.Event()
        await seen.press("p", "enter")
        seen.talk.on_output("stdout", b"epoch 0\n")
        seen.talk.on_output("stderr", b"\r 10%\r 20%")
        seen.talk.hold.set()
        await seen.settle()
        assert "epoch 0" in seen.text
        assert "•" in seen.lines[0]
        await seen.press("escape", "6")
        assert "epoch 0" in seen.text
        assert "! " in seen.text
        assert " 20%" in seen.text
        assert " 10%" not in seen.text
        assert "Log•" not in seen.lines[0]
        await seen.press("o")
        assert "[1 Fwd]" in seen.lines[0]

    on_screen(body)


def test_a_flood_is_cut_and_does_not_stop_the_keys() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "6")
        for _ in range(64):
            seen.talk.on_output("stdout", b"x" * 99 + b"\n" * 1 + (b"y" * 99 + b"\n") * 650)
        seen.app.main.flush()
        await seen.press("1")
        assert "[1 Fwd]" in seen.lines[0]
        assert len(seen.app.main.ring.lines) < 30_000
        assert any("more was printed" in line.text for line in seen.app.main.ring.lines)

    on_screen(body)


def test_words_of_the_screen() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":bwd")
        assert "[2 Bwd]" in seen.lines[0]
        await seen.type("theme light")
        assert seen.app.theme == "gradrepl-light"
        await seen.type(":theme nope")
        assert seen.app.theme == "gradrepl-light"
        assert seen.talk.entered == []

    on_screen(body)
