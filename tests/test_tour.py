"""``:tour``: the walk through the two-path example, in the line face and on the screen."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

from gradrepl import model, protocol
from gradrepl.commands import table
from gradrepl.commands.conversation import Conversation
from gradrepl.errors import UsageError
from gradrepl.launch import Options
from gradrepl.model import Site, TensorInfo

HOUSE = Path(__file__).parent.parent
sys.path[:0] = [str(HOUSE / "tests" / "tui"), str(HOUSE / "plugins")]
from gradrepl_tour.guide import TourAnswer, TourStep, sum_of  # noqa: E402
from gradrepl_tour.steps import BUILD, STEPS  # noqa: E402

FILE = str(HOUSE / "examples" / "two_paths.py")
LINES = ["a = torch.tensor(2.0)", "left = 3 * a", "right = a**2", "L = left * right"]
VALUES = {"left.item()": 6.0, "right.item()": 4.0, "a.item()": 2.0}
ARRIVING = [1.0, 6.0, 4.0, 36.0]


def stop(at: int) -> model.Stop:
    """Return stop ``at`` of the example: before the first op, after each of four, four nodes."""
    if at <= 4:
        site = Site(FILE, 12 + at, "<module>", LINES[max(0, at - 1)])
        op = model.Op(id=max(1, at), name="mul", site=site)
        return model.Stop(
            phase="forward", reason="step" if at else "start", site=site, op=op,
            when="after" if at else "before", position=max(1, at),
        )  # fmt: skip
    gradient = TensorInfo(
        name="", shape=(), dtype="float32", device="cpu", nbytes=4, requires_grad=False,
        is_leaf=True, version=0,
    )  # fmt: skip
    node = model.Node(id=at - 4, name="MulBackward0", grad_in=(gradient,))
    return model.Stop(
        phase="backward", reason="step", site=None, node=node, when="before", position=at - 4,
        total=4, root="L",
    )  # fmt: skip


class Acted(Conversation):
    """The true conversation, with a debuggee that is acted: nine stops, and values by name."""

    hold = None

    def __init__(self, show: Callable[[model.Record], None]) -> None:
        super().__init__(Options(), show)
        self.at = -1

    async def start(self) -> None:
        table.use_plugins(self)
        self._waits.set()
        self.ready = protocol.Ready(torch="2.13.0", device="cpu")
        self._heard(protocol.Prompt(state="idle"))

    async def restart(self, options: Options) -> None:
        self.at = -1
        await self.run_target(options)

    async def run_target(self, options: Options) -> None:
        self.options, self.used = options, True
        self._come()

    async def run(self, request: Any, reply: Any = None) -> None:
        if isinstance(request, protocol.Resume):
            if type(request.verb).__name__ == "Continue":
                self.at = 9
            self._come()
        else:
            self._heard(protocol.Prompt(state=self.state))

    def _come(self) -> None:
        self.at += 1
        if self.at > 8:
            self._heard(protocol.Tell(record=model.Ended(code=0, script=FILE)))
            self._heard(protocol.Prompt(state="idle"))
            return
        here = stop(self.at)
        self._heard(protocol.Tell(record=here))
        self._heard(protocol.Prompt(state=here.phase, depth=0))

    async def ask(self, request: Any) -> model.Record | None:
        match request:
            case protocol.Print(expression="grad_in[0].item()"):
                return model.Value(text=str(ARRIVING[self.at - 5]))
            case protocol.Print(expression=name):
                return model.Value(text=str(VALUES[name]))
            case protocol.Bound(word=word):
                return model.Value(text=word) if word in ("a", "left", "right", "L") else None
            case protocol.PathsTo():
                return model.Paths(
                    root="L", leaf="a", count=2, method="all", paths=(), total=36.0, grad=36.0,
                    agrees=True,
                )  # fmt: skip
        return None

    async def close(self) -> None:
        self.finished = True


def walk(*entries: str) -> list[model.Record]:
    """Type ``entries``; return what was shown, the stops left out."""
    shown: list[model.Record] = []

    async def run() -> None:
        talk = Acted(shown.append)
        await talk.start()
        for text in entries:
            await talk.enter(text)

    asyncio.run(run())
    return [record for record in shown if not isinstance(record, model.Stop)]


START = (":tour", ":load two_paths", "s", "s", "s", "s", "s")


def test_every_step_comes_when_the_one_before_is_done() -> None:
    shown = walk(*START, "6", "s", "4", "s", "12 + 24", "s", "c", BUILD, ":paths L a")
    steps = [record for record in shown if isinstance(record, TourStep)]
    said = [step.number for step in steps if not step.text.startswith("You say")]
    assert said == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert [step.number for step in steps if step.guess] == [4, 5, 6]
    answers = [record for record in shown if isinstance(record, TourAnswer)]
    assert [(each.said, each.arrived, each.right) for each in answers] == [
        (6.0, 6.0, True), (4.0, 4.0, True), (36.0, 36.0, True)
    ]  # fmt: skip
    assert "By left 4 x 3 = 12, by right 6 x 4 = 24" in answers[2].why


@pytest.mark.parametrize(
    ("guess", "because"),
    [("4", "That is right itself"), ("-1", "L = left"), ("6.0001", "L = left")],
)
def test_a_wrong_guess_is_told_why(guess: str, because: str) -> None:
    (answer,) = [r for r in walk(*START, guess, "s") if isinstance(r, TourAnswer)]
    assert answer.right == (guess == "6.0001")
    assert answer.why.startswith(because)


def test_without_a_guess_it_goes_on() -> None:
    shown = walk(*START, "s")
    assert shown[-2] == TourAnswer(
        said=None, arrived=6.0, right=False,
        why="L = left * right, so dL/dright is left, and left is 6.",
    )  # fmt: skip
    assert shown[-1].number == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("bad", ["six", "4,5", "()", "1/0", "2 +", "nan", "9e999", "-", ":tour x"])
def test_a_bad_answer_gets_one_sentence(bad: str) -> None:
    before, after = len(walk(*START)), walk(*START, bad, "6", "s")
    error = after[before]
    assert isinstance(error, model.Error)
    assert "is not a number." in error.message
    assert "\n" not in error.message
    assert isinstance(after[-2], TourAnswer)
    assert after[-2].right


def test_anything_else_may_be_done_and_the_step_said_again() -> None:
    shown = walk(*START, "left", ":t left", "a + 1", ":tour", ":help s")
    again = [r for r in shown if isinstance(r, TourStep) and r.number == 4]
    assert len(again) == 2
    assert again[0] == again[1]


def test_next_does_the_step() -> None:
    shown = walk(":tour", *[":tour next"] * 9, ":tour off")
    steps = [record.number for record in shown if isinstance(record, TourStep)]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert isinstance(shown[-1], model.Error)  # it was over already


def test_off_ends_it_and_bad_words_are_refused() -> None:
    shown = walk(":tour off", ":tour", ":tour hello", ":tour off", ":load two_paths", "s")
    assert [type(record).__name__ for record in shown] == [
        "Error", "TourStep", "Error", "TourStep",
    ]  # fmt: skip
    assert "'tour' does not know 'hello'." in shown[2].message  # type: ignore[attr-defined]


def test_running_past_the_questions_is_said_and_loading_begins_again() -> None:
    shown = walk(*START[:3], "c", ":load two_paths")
    passed, step, again = shown[-3:]
    assert isinstance(passed, model.Notice)
    assert passed.message.startswith("You went past a question")
    assert isinstance(step, TourStep)
    assert isinstance(again, TourStep)
    assert (step.number, again.number) == (8, 2)


@pytest.mark.parametrize(
    ("text", "number"), [("36", 36), (" -0.5", -0.5), ("4 * 3 + 24", 36), ("(1 + 2) / 3", 1)]
)
def test_numbers(text: str, number: float) -> None:
    assert sum_of(text) == number


@pytest.mark.parametrize("text", ["2**99999999", "a", "", "print()", "True if 1 else 2", "(" * 500])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(UsageError):
        sum_of(text)


def test_on_the_screen() -> None:
    from screens import Seen, on_screen

    async def body(seen: Seen) -> None:
        await seen.type(":tour")
        assert "Tour 1/9" in seen.text
        await seen.type(":load two_paths")
        await seen.press("escape", "s", "s", "s", "s", "s")
        assert "Tour 4/9" in seen.text
        assert "type: the number that you expect" in seen.text
        assert "AddmmBackward0" not in seen.text
        assert "REPL" in seen.text  # a step of the tour does not take the panes away
        assert "Graph" in seen.text
        await seen.type("4")
        await seen.type("s")
        assert "! Not 4: 6 arrived." in seen.text
        await seen.type(":tour off")
        assert not seen.app.main.has_class("-guided")

    on_screen(body, make=Acted)


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_at_the_line_prompt_on_the_real_engine(tmp_path: Path) -> None:
    env = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path),
        "PYTHONPATH": str(HOUSE), "TERM": "xterm-256color", "LANG": "C.UTF-8",
        "TMPDIR": str(tmp_path),
    }  # fmt: skip
    line = Terminal(["-m", "gradrepl", "--repl"], env, columns=200)
    line.wait(">>>")
    line.enter(":tour", "Tour 1/9")
    line.enter(":load two_paths", "Tour 2/9")
    line.enter("s 4", "Tour 3/9")
    line.enter("s", "left = 6 and right = 4. Predict")
    line.enter("4", "You say 4.")
    line.enter("s", "Not 4: 6 arrived.")
    line.enter("4", "Tour 5/9 You say 4.")
    line.enter("s", "Right: 4 arrived.")
    line.enter("36", "You say 36.")
    line.enter("s", "By left 4 x 3 = 12, by right 6 x 4 = 24")
    line.enter("c", "Tour 8/9")
    line.enter(BUILD, "Tour 9/9")
    line.enter(":paths L a", "That was the tour")
    assert "sum 36  autograd.grad 36  agrees" in line.text
    line.type(":q\r")
    assert line.code() == 0


def test_each_text_is_short() -> None:
    assert all(len(step.text) <= 200 for step in STEPS)
