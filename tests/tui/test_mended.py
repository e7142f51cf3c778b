"""What a user met once and should not meet again."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest
from hand_made import FakeConversation, node_stop
from screens import Seen, on_screen

from gradrepl import model, tui
from gradrepl.draw import ink
from gradrepl.tui.panels.base import Paper


def test_what_a_quick_line_prints_is_seen_beside_it() -> None:
    class Printing(FakeConversation):
        async def enter(self, text: str) -> None:
            await super().enter(text)
            self.on_output("stdout", b"seven\n")  # read just before the answer
            self.show(model.Notice(message="after"))

    async def body(seen: Seen) -> None:
        await seen.type("print('sev' + 'en')")
        text = "\n".join(seen.app.dock.transcript.text().split("\n"))
        assert text.index("seven") < text.index("after")

    on_screen(body, make=Printing)


def test_what_comes_after_the_answer_is_seen_too() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("start_thread()")
        seen.talk.on_output("stdout", b"from a thread\n")
        await asyncio.sleep(0.1)
        await seen.settle()
        assert "from a thread" in seen.app.dock.transcript.text()

    on_screen(body)


def test_one_sentence_at_a_time() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "t", "t", "t")
        assert len(seen.app._notifications) == 1

    on_screen(body)


def test_what_is_cut_has_a_sign_at_both_edges() -> None:
    async def body(seen: Seen) -> None:
        panel = seen.app.main.page.inspector
        await seen.type(":load train.py")
        width = panel.room
        line = [ink.span("0123456789" * 10)]

        def drawn(column: int) -> str:
            return panel.strip(line, column=column).text.rstrip()

        whole = "0123456789" * 10
        assert drawn(0) == whole[: width - 1] + "…"
        assert drawn(5) == "…" + whole[6 : 5 + width - 1] + "…"
        assert drawn(100 - width) == "…" + whole[101 - width :]
        assert panel.strip([ink.span("short")]).text == "short".ljust(panel.size.width)
        assert isinstance(panel, Paper)

    on_screen(body)


def test_the_screen_comes_back_after_suspending() -> None:
    async def body(seen: Seen) -> None:
        painted: list[bool] = []
        seen.app.action_redraw = lambda: painted.append(True)  # type: ignore[method-assign]
        seen.app.app_resume_signal.publish(seen.app)
        await seen.settle()
        assert painted == [True]

    on_screen(body)


def test_an_empty_list_says_what_goes_on() -> None:
    class Held(FakeConversation):
        async def start(self) -> None:
            await asyncio.Event().wait()

    async def starting(seen: Seen) -> None:
        seen.app.paint_state()
        await seen.settle()
        assert "STARTING" in seen.lines[0]
        assert "torch is being imported." in seen.text
        assert "type Python below" not in seen.text

    on_screen(starting, make=Held, typing=False)

    async def running(seen: Seen) -> None:
        seen.talk.hold = asyncio.Event()
        await seen.type("train()")
        seen.app.paint_state()
        await seen.settle()
        assert "Your code runs." in seen.text
        seen.talk.hold.set()
        await seen.settle()
        assert "Nothing has run here yet." in seen.text

    on_screen(running)


def test_health_is_asked_while_code_runs_and_other_words_are_refused() -> None:
    async def body(seen: Seen) -> None:
        seen.talk.hold = asyncio.Event()
        await seen.type("train()")
        seen.app.entries._since = 0.0
        await seen.type(":health")
        await seen.type("p 1")
        assert seen.talk.entered == ["train()", ":health"]
        seen.talk.hold.set()
        await seen.settle()

    on_screen(body)


def test_waiting_for_input_is_a_state() -> None:
    async def body(seen: Seen) -> None:
        seen.talk.prompt, seen.talk.waiting_input = None, True
        seen.talk.on_change()
        await seen.settle()
        assert "INPUT" in seen.lines[0]

    on_screen(body)


def test_a_backward_that_is_over_shows_the_leaves_it_reached() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        leaf = model.Accumulated("fc1.weight", 0.25, (128, 784))
        over = model.Pass(outcome="finished", nodes_run=11, total=11, accumulated=(leaf,))
        seen.talk.stop = None
        seen.app.show(over)
        await seen.settle()
        assert "no leaf has its gradient yet" not in seen.text
        assert "◇ fc1.weight (128, 784)" in seen.text

    on_screen(body, size=(160, 45))


def test_a_dialog_has_the_keys_of_the_dialog() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "question_mark")
        assert seen.lines[-1].startswith(" jk Scroll  esc Close")
        await seen.press("escape")
        assert "esc Close" not in seen.lines[-1]
        seen.talk.at(node_stop(1))

    on_screen(body)


def test_help_is_not_cut_where_it_is_narrow() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "question_mark")
        text = " ".join(seen.app.screen.query_one("#help").text().split())  # type: ignore[attr-defined]
        assert "Next: over child modules; over leaves and views" in text

    on_screen(body, size=(60, 15))


def test_the_first_frame_is_styled_and_laid_out_for_its_size_at_once() -> None:
    async def body(seen: Seen) -> None:
        main = seen.app.main
        assert {"-wide", "-tall", "-fwd", "-idle", "-typing"} <= main.classes
        assert "palette" in seen.lines[-1]
        styled: list[int] = []
        update = seen.app.stylesheet.update_nodes

        def counting(nodes: object, animate: bool = False) -> None:
            known = list(nodes)  # type: ignore[call-overload]
            styled.append(len(known))
            update(known, animate)

        seen.app.stylesheet.update_nodes = counting  # type: ignore[method-assign]
        await seen.pilot.resize_terminal(150, 50)  # the same classes
        await seen.settle()
        assert not any(count > 10 for count in styled)
        await seen.pilot.resize_terminal(80, 24)
        await seen.settle()
        assert any(count > 10 for count in styled)

    on_screen(body, size=(160, 45))


def test_nothing_that_the_first_frame_does_not_need_is_imported_before_it() -> None:
    program = "import sys, gradrepl.tui.app; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    late = {"gradrepl.protocol", "gradrepl.commands", "gradrepl.link", "gradrepl.draw.memory",
            "gradrepl.tui.pages.health", "gradrepl.tui.dialogs",
            "rich.ansi", "rich.markdown", "tree_sitter", "pygments.lexers", "gradrepl.draw.data",
            "gradrepl.draw.chain", "gradrepl.tui.pages.data"}  # fmt: skip
    assert not late & loaded


def test_the_rate_of_frames_is_textuals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTUAL_FPS", raising=False)
    with tui._frames(120):
        assert os.environ["TEXTUAL_FPS"] == "120"
    assert "TEXTUAL_FPS" not in os.environ
    monkeypatch.setenv("TEXTUAL_FPS", "30")
    with tui._frames(120):
        assert os.environ["TEXTUAL_FPS"] == "30"
    assert os.environ["TEXTUAL_FPS"] == "30"


def test_how_far_something_is_stands_in_the_dock_until_the_answer_comes() -> None:
    def told(done: int, over: bool = False) -> model.Progress:
        return model.Progress(what="tune dl", done=done, total=4, unit="workers", over=over)

    async def body(seen: Seen) -> None:
        before = seen.app.dock.transcript.text()
        seen.app.show(told(1))
        seen.app.show(told(2))
        await seen.settle()
        assert "tune dl: 2 of 4 workers" in seen.text
        assert "1 of 4" not in seen.text
        seen.app.show(told(4, over=True))
        await seen.settle()
        assert "tune dl" not in seen.text
        assert seen.app.dock.transcript.text() == before

    on_screen(body)
