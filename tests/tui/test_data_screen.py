"""The Data screen: its drawings by their characters, and what its keys ask for."""

from __future__ import annotations

import asyncio
import itertools
import math
from pathlib import Path
from typing import Any

import pytest
from data_samples import (
    BATCH,
    CHECK,
    EPOCH,
    FINE,
    LOADER,
    ODD_ROW,
    PACE,
    PROGRESS,
    ROW,
    RUN,
    SAMPLE,
    SYNTHETIC,
    TIMING,
    TUNING,
)  # fmt: skip
from hand_made import FakeConversation, op_stop
from msgspec.structs import replace
from screens import Seen, on_screen
from test_live import until

from gradrepl import draw, model, plugins, protocol
from gradrepl.commands import registry
from gradrepl.commands.conversation import Conversation
from gradrepl.draw import Look, charts, ink, samples
from gradrepl.draw.answers import progress
from gradrepl.draw.data import WIDE, step_verdict
from gradrepl.launch import Options
from gradrepl.tui import literal, views
from gradrepl.tui.app import GradreplApp
from gradrepl.tui.panels import batch
from gradrepl.tui.panels import loader as loaders
from gradrepl_loader_lab.records import RunEpoch, TuneLoader

plugins.here().load()  # who draws what the loader laboratory measured
MINE = replace(LOADER, name="loader", others=("valid", "test"))
BAD = ODD_ROW
ROWS = (BAD, ROW, *(replace(ROW, place=place, index=str(place * 7)) for place in (1, 2, 4)))
WHOLE = replace(BATCH, rows=ROWS)
FETCHES = (protocol.AskBatch, protocol.AskSample, protocol.FetchSample, protocol.CheckLoader,
           TuneLoader, protocol.AskEpoch, RunEpoch)  # fmt: skip
"""Requests that run the dataset's code."""


def shown(lines: list[ink.Line]) -> str:
    return "\n".join(ink.plain(line).rstrip() for line in lines)


def fits(lines: list[ink.Line], width: int) -> bool:
    return all(ink.width(line) <= width for line in lines)


# -- pictures ----------------------------------------------------------------------------------


def test_a_picture_grows_by_whole_dots_and_shrinks_to_means() -> None:
    assert samples.scaled(((0, 255),), 5, 9) == [[0, 0, 255, 255]] * 2
    assert samples.scaled(((0, 100, 200, 200, 0, 0, 0, 8),) * 8, 4, 4) == [[50, 200, 0, 4]] * 4
    assert samples.scaled((), 4, 4) == []


def test_half_blocks_have_two_dots_a_cell_and_runs_of_what_is_alike() -> None:
    assert samples.halves([[1, 1, 9], [2, 2, 9], [5, 5, 5]]) == [
        [("▀▀", (1, 2)), ("▀", (9, 9))],
        [("▀▀▀", (5, 5))],
    ]
    assert samples.ramp([[0, 255], [0, 255], [100, 156]]) == [" @", "-+"]


def test_a_picture_has_its_greys_and_without_colour_characters() -> None:
    dots = ((0, 255, 0, 0), (255, 255, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))
    part = model.Part(kind="tensor", lines=dots)
    (first, _) = samples._picture(part, 4, 4, Look(width=4, colour=True))
    assert [text for text, _ in first] == ["▀", "▀", "▀▀"]
    assert first[0][1] == (0, 255)  # the brightness of both halves
    assert shown(samples._picture(part, 4, 4, Look(width=4))) == "=@\n"  # the rest is dark


def test_a_curve_goes_from_the_lowest_to_the_highest_and_marks_nan() -> None:
    lines = charts.curve([0.0, 1.0, 2.0, 3.0], 4, 4, ascii=True)
    assert lines == ["   *", "  * ", " *  ", "*   "]
    broken = charts.curve([1.0, math.nan, 1.0], 3, 2, ascii=True)
    assert broken[0][1] == "!"
    assert set("".join(broken)) == {"*", "!", " "}
    assert charts.curve([math.nan, math.inf], 2, 1, ascii=True) == ["!!"]
    assert charts.curve([1e308, -1e308, 5e-324], 6, 3, ascii=True)  # no difference overflows
    smooth = charts.curve([math.sin(x / 9) for x in range(256)], 30, 5, ascii=False)
    assert all(len(line) == 30 for line in smooth)
    columns = list(zip(*smooth, strict=True))
    assert all(set(column) != {" "} for column in columns)  # it has no gap


def test_bars_are_to_scale_and_what_is_there_is_seen() -> None:
    assert [charts.bar(n, 100, 10) for n in (100, 50, 1, 0)] == ["▇" * 10, "▇" * 5, "▇", ""]
    assert charts.strip([0.0, 1.0, 2.0, 4.0], 3) == "▃▅█"


# -- the list ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [30, 40, 42, 56, 76, 110, 158])
def test_rows_fit_and_what_is_odd_has_a_glyph_and_a_word(width: int) -> None:
    columns = samples.columns(ROWS, width)
    rows = (samples.line(row, columns, width) for row in ROWS)
    lines = [samples.head(columns, width), *rows]
    assert fits(lines, width)
    texts = [ink.plain(line) for line in lines]
    assert texts[1].startswith("!")
    assert "other shape" in texts[1]
    assert not any(text.startswith("!") for text in texts[2:])
    assert "0..1" in texts[2]  # in a column of its own, or in the last
    assert ("label" in texts[0]) == (width >= 40)
    assert ("dtype" in texts[0]) == (width >= 76)


def test_only_columns_that_say_something() -> None:
    row = model.SampleRow(place=0, shape=(5,), dtype="str", label="cat[/b]", error="KeyError: 'x'")
    columns = samples.columns((row,), 100)
    assert [column.name for column in columns] == ["place", "label", "shape", "dtype"]
    assert "KeyError: 'x'" in ink.plain(samples.line(row, columns, 100))
    assert "cat[/b]" in ink.plain(samples.line(row, columns, 100))


def test_a_shape_that_is_odd_is_marked_where_it_stands() -> None:
    columns = samples.columns(ROWS, 110)
    roles = {text.strip(): role for text, role in samples.line(BAD, columns, 110)}
    assert roles["(1, 8, 7)"] == "bad"
    assert roles["f32"] != "bad"


def test_the_problem_stands_above_in_as_many_lines_as_there_are() -> None:
    for most in (1, 2, 4):
        lines = batch.said_of(WHOLE, 42, most)
        assert 1 <= len(lines) <= most
        assert fits(lines, 42)
        assert ink.plain(lines[0]).startswith("! dataset[9921]")
    assert batch.said_of(FINE, 42, 4) == []


def test_milliseconds() -> None:
    assert [samples._milliseconds(s) for s in (None, 1e-6, 2.6e-5, 0.0031, 0.041, 1.4)] == [
        "", "<0.01", "0.026", "3.1", "41", "1400",
    ]  # fmt: skip


# -- the loader --------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [32, 40, 78])
def test_a_loader_says_what_has_no_effect_and_which_line_to_change(width: int) -> None:
    classes = loaders.classes_of(WHOLE)
    lines = loaders.draw_loader(MINE, WHOLE, CHECK, classes, Look(width=width))
    text = " ".join(shown(lines).split())
    assert fits(lines, width)
    assert "pin_memory: True no effect: there is no accelerator here" in text
    assert "! workers 0 and 1 draw the same random numbers." in text
    assert "worker_init_fn" in text
    assert "train.py:30" in text
    assert "worker 1 (pid 102) ! killed by SIGKILL" in text
    assert "fetched here in" in text


def test_classes_are_bars_in_the_order_of_their_names() -> None:
    counts = (("10", 2), ("9", 4), ("2", 1))
    assert shown(samples.classes(counts, 20)) == ("  2 ▇▇▇▇ 1\n  9 ▇▇▇▇▇▇▇▇▇▇▇▇▇▇ 4\n 10 ▇▇▇▇▇▇▇ 2")
    large = shown(samples.classes((("a", 90), ("b", 10)), 60, shares=True))
    assert "90.0%" in large
    assert "10.0%!" in large  # less than half of an even share
    many = tuple((str(n), n + 1) for n in range(10))
    assert len(samples.classes(many, 32)) == 5  # two side by side
    assert fits(samples.classes(many, 32), 32)


def test_what_classes_were_counted_in() -> None:
    assert loaders.classes_of(EPOCH).said == "512 samples of epoch 0"
    assert loaders.classes_of(RUN).counts == (("1", 48),)
    assert loaders.classes_of(WHOLE).said == "batch 7"
    assert loaders.classes_of(None).counts == ()


# -- the sample --------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [30, 42, 78])
def test_a_sample_has_picture_curve_text_and_steps(width: int) -> None:
    look = Look(width=width, colour=True)
    drawn = samples.sample(SAMPLE, look, 20)
    lines = [part for line in drawn for part in draw.broken(line, width)]
    text = shown(lines)
    assert fits(lines, width)
    assert "▀" in text
    assert "[/b]!" in text
    assert "log" in text
    assert "first 3 nan !" in text
    assert "nan 3 !" in text
    assert any(set(mark) == {"!"} and role == "bad" for line in lines for mark, role in line)
    words = " ".join(text.split())
    assert "part 'image' has 3 NaN." in words
    assert "draws from torch" in words


def test_a_sample_in_ascii_has_nothing_else() -> None:
    lines = samples.sample(SAMPLE, Look(width=42, ascii=True), 20)
    assert ink.ascii_only(shown(lines)).isascii()


def test_before_it_is_looked_at_the_batch_says_what_it_knows() -> None:
    text = shown(samples.row_details(BAD, 42))
    assert "! other shape" in text
    assert "▀" not in text

    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "4")
        pane: Any = seen.app.main.page.near
        pane.show(BAD)
        assert "enter" in pane.text()
        pane.show(replace(BAD, index="", odd=()))  # of an iterable dataset
        assert "enter" not in pane.text()

    on_screen(body, size=(160, 45), make=Loads)


# -- time --------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 78, 158])
def test_costs_are_to_one_scale(width: int) -> None:
    busy = replace(MINE.processes[0], busy=0.96)
    loader = replace(MINE, timing=TIMING, pace=PACE, processes=(busy,), ready=0)
    lines = loaders.draw_time(loader, (), Look(width=width), 6)
    text = shown(lines)
    assert fits(lines, width)
    assert "w0 busy 96%" in text
    assert "queue 0 of 4 ready (mean 0.2)" in text
    cells = {
        text.strip(): len(bar)
        for line in lines[:2]
        for (text, _), (bar, _) in itertools.pairwise(line)
        if set(bar) == {"█"}
    }
    names = ("wait for batch", "backward") if width >= WIDE else ("wait", "bwd")
    wait, backward = (cells[name] for name in names)
    assert wait / backward == pytest.approx(34.1 / 6.3, rel=0.4)
    assert step_verdict(loader) == "loader-bound: 73% of the step is waiting for data"


def test_without_gradients_watched_waiting_is_still_known() -> None:
    text = shown(loaders.draw_time(replace(MINE, pace=PACE), (), Look(width=78), 6))
    assert "34.1 ms" in text
    assert "rest" in text
    assert ":watch grads" in text


def test_what_was_measured_and_how_far_it_is() -> None:
    text = shown(loaders.draw_time(MINE, (TUNING, SYNTHETIC), Look(width=100), 10))
    assert "2 workers are 1.9 times as fast as none." in text
    assert "! RuntimeError: no" in text
    assert "▇" in text
    tight = shown(loaders.draw_time(MINE, (TUNING,), Look(width=100), 4))
    assert "2 workers 1700/s best" in tight
    assert "▇" not in tight
    assert "3.4 times as fast." in text
    halfway = ink.plain(progress(PROGRESS, Look(width=120)))
    assert halfway.startswith("█" * 10 + "░" * 10)
    assert "Ctrl+C stops it." in halfway


def test_nothing_measured_says_how_to() -> None:
    bare = replace(MINE, seen=(), processes=())
    assert ":loader watch" in shown(loaders.draw_time(bare, (), Look(width=78), 3))
    assert "Nothing is measured yet." in shown(loaders.draw_time(bare, (), Look(width=78), 6))


def test_a_plugins_command_is_named_only_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = replace(MINE, seen=(), processes=())
    for commands, named in (({}, False), ({"synthetic": None}, True)):
        monkeypatch.setattr(registry, "COMMANDS", commands)
        assert (":synthetic" in shown(loaders.draw_time(bare, (), Look(width=78), 9))) == named


# -- the screen --------------------------------------------------------------------------------


class Loads(FakeConversation):
    """A conversation about a program with a loader."""

    loader: model.Loader | None = MINE

    async def ask(self, request: protocol.Request) -> model.Record | None:
        if isinstance(request, protocol.AskLoader):
            self.asked.append(request)
            return self.loader or model.Error(message="No DataLoader found in the current scope.")
        return await super().ask(request)

    async def enter(self, text: str) -> None:
        word, _, rest = text.lstrip(":").partition(" ")
        answers: dict[str, model.Record] = {
            "batch": WHOLE, "sample": replace(SAMPLE, index=rest), "tune": TUNING, "epoch": EPOCH,
        }  # fmt: skip
        if word not in answers and word != "fetch":
            await super().enter(text)
            return
        self.entered.append(text)
        if word == "fetch":
            self.at(op_stop(1, "before"))
        else:
            self.show(answers[word])
            self.at_prompt()


class Bare(Loads):
    """One without."""

    loader = None


def fetched(seen: Seen) -> list[Any]:
    return [request for request in seen.talk.asked if isinstance(request, FETCHES)]


def test_opening_it_asks_for_the_loader_alone() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        assert not any(isinstance(each, protocol.AskLoader) for each in seen.talk.asked)
        await seen.press("escape", "4")
        assert "[4 Data]" in seen.text
        assert protocol.AskLoader(look=True) in seen.talk.asked
        assert fetched(seen) == []
        assert not any("batch" in each for each in seen.talk.entered)
        assert "n   fetch the next batch" in seen.text
        assert "random" in seen.text  # it says what stays as it is
        await seen.press("s")
        assert fetched(seen) == []

    on_screen(body, make=Loads)


def test_its_keys() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "4", "n")
        assert seen.talk.entered[-1] == ":batch 7"  # what the program has got
        assert "Batch 7 of 29" in seen.text
        assert "! dataset[9921] part '0'" in seen.text
        assert seen.text.count("batch 7: 64 samples, 1 odd") == 1  # one line in the transcript
        await seen.press("n")
        assert seen.talk.entered[-1] == ":batch"
        await seen.press("A")
        assert seen.talk.entered[-1] == ":batch 7"
        await seen.press("enter")
        assert seen.talk.entered[-1] == ":sample 9921"
        assert "▀" in seen.text
        assert "esc back" in seen.text
        await seen.press("escape", "j", "f")
        assert seen.talk.entered[-1] == ":fetch 40512"
        assert "[4 Data]" in seen.text
        await seen.press("t")
        assert seen.talk.entered[-1] == ":tune"
        assert "1700/s  best" in seen.text  # the table has the height until it is read
        await seen.press("escape", "C")
        assert seen.talk.entered[-1] == ":epoch"
        assert "512 samples of epoch 0" in seen.text
        assert "60.0%" not in seen.text
        assert "58.6%" in seen.text
        await seen.press("C", "s")
        assert seen.talk.entered[-1] in (":s", ":step")
        await seen.press("N")
        assert seen.talk.entered[-1] == ":loader valid"
        seen.talk.loader = replace(MINE, others=())
        await seen.press("s", "N")
        assert seen.app.dock.prompt.text == ":loader "

    on_screen(body, make=Loads)


def test_a_sample_that_was_looked_at_is_not_made_again() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "4", "n", "enter", "escape", "j", "k", "enter")
        assert [text for text in seen.talk.entered if "sample" in text] == [":sample 9921"]
        assert "▀" in seen.text

    on_screen(body, make=Loads)


def test_a_click_in_the_footer_does_what_the_key_does() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "4", "n")
        assert seen.lines[-1].lstrip().startswith("n Next batch  enter Sample")
        await seen.pilot.click("#footer", offset=(15, 0))
        await seen.settle()
        assert seen.talk.entered[-1] == ":sample 9921"
        await seen.press("escape")
        await seen.pilot.click("#footer", offset=(3, 0))
        await seen.settle()
        assert seen.talk.entered[-1] == ":batch"

    on_screen(body, make=Loads)


def test_a_sample_that_comes_when_another_screen_is_open_hides_nothing() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "4", "n")
        seen.talk.hold = asyncio.Event()
        page: Any = seen.app.main.page
        page._wanted = "9921"
        await seen.press("1")
        seen.app.show(replace(SAMPLE, index="9921"))
        await seen.settle()
        assert "REPL" in seen.text  # where it is read in full
        assert not page.near.has_class("-maximised")
        await seen.press("escape", "4")
        assert "Batch 7" in seen.text
        assert page.near.record.index == "9921"

    on_screen(body, make=Loads)


def test_rows_can_be_copied_as_python() -> None:
    again = eval(literal.row(replace(ROW, min=math.nan)))
    assert again["index"] == "40512"
    assert again["shape"] == (1, 8, 8)
    assert math.isnan(again["min"])
    assert again["parts"][0]["stats"]["zeros"] == 31

    async def body(seen: Seen) -> None:
        await seen.press("escape", "4", "n", "Y")
        assert [each["index"] for each in eval(seen.app.clipboard)] == [row.index for row in ROWS]

    on_screen(body, make=Loads)


def test_a_breakpoint_on_the_selected_sample() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "4", "n", "b")
        assert seen.talk.entered[-1] == ":break index 9921"

    on_screen(body, make=Loads)


def test_while_the_program_runs_it_waits() -> None:
    async def body(seen: Seen) -> None:
        seen.talk.hold = asyncio.Event()
        await seen.type("train()")
        await seen.press("escape", "4")
        assert batch.WAITING in seen.text
        assert "there is no DataLoader" not in seen.text
        seen.talk.hold.set()
        await seen.settle()
        assert "n   fetch the next batch" in seen.text

    on_screen(body, make=Loads)


def test_without_a_loader_it_says_how_to_begin() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "4")
        assert "No DataLoader found in the current scope." in seen.text
        assert ":loader dl" in seen.text
        assert "loader_digits" in seen.text
        await seen.press("enter", "f")
        assert not any(text.startswith((":sample", ":fetch")) for text in seen.talk.entered)

    on_screen(body, make=Bare)


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 35), (160, 45)])
@pytest.mark.parametrize("ascii", [False, True])
def test_at_every_size(size: tuple[int, int], ascii: bool) -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "4", "n")
        assert all(len(line) <= size[0] for line in seen.lines)
        assert "9921" in seen.text
        assert "other shape" in seen.text
        if size[0] >= 140:
            assert "Sample 3" in seen.text
            await seen.press("enter")
            assert "Sample 9921" in seen.text
            assert "Where the time of a step goes" in seen.text
        if ascii:
            body = seen.text.replace("•", "")
            assert body.isascii(), [mark for mark in body if not mark.isascii()]

    on_screen(body, size=size, make=Loads, ascii=ascii)


def test_progress_stands_where_the_time_is() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "4")
        seen.app.show(PROGRESS)
        await seen.settle()
        assert "tune loader: 2 of 4 numbers of workers" in seen.text
        seen.app.show(replace(PROGRESS, over=True))
        await seen.settle()
        assert "2 of 4" not in seen.text

    on_screen(body, make=Loads, size=(120, 35))


def test_no_local_key_covers_a_general_one_that_must_stay() -> None:
    view = views.BY_NAME["data"]
    mine = {key for each in view.keys for key in each.keys.split(",")}
    assert mine & set("qRxbcsr") == set()
    general = {key for each in views.everywhere() for key in each.keys.split(",")}
    assert {"n", "f", "t", "A"} <= mine & general  # so they are shown in the footer
    assert {foot.shown for foot in view.feet} >= {"n", "f", "t", "A", "C", "enter"}


SCRIPT = """\
import torch
from torch.utils.data import DataLoader, Dataset

class Dots(Dataset):
    made = 0
    def __len__(self):
        return 40
    def __getitem__(self, index):
        Dots.made += 1
        return torch.rand(1, 8, 8), index % 4

torch.manual_seed(7)
train = DataLoader(Dots(), batch_size=8, shuffle=True)
before = torch.get_rng_state()
x = torch.ones(2)
same = torch.equal(before, torch.get_rng_state())
print("made", Dots.made, "same", same)
"""


def test_on_a_real_program_it_draws_no_random_number(tmp_path: Path) -> None:
    script = tmp_path / "dots.py"
    script.write_text(SCRIPT)
    options = Options(target=str(script), output="piped", commands=("until dots.py:16",))

    async def run() -> None:
        app = GradreplApp(lambda show: Conversation(options, show), typing=False)
        async with app.run_test(size=(160, 45)) as pilot:
            await until(pilot, "PAUSED")
            await pilot.press("4")
            await until(pilot, "[4 Data]", "Dots, 40 samples", "train: no batch")
            await pilot.press("i")
            app.dock.prompt.put("'made={}.'.format(Dots.made)")
            await pilot.press("enter")
            await until(pilot, "'made=0.'")
            await pilot.press("escape", "n")
            await until(pilot, "Batch 0 of 5", "(1, 8, 8)")
            await pilot.press("enter")
            await until(pilot, "▀▀▀", "draws from")
            await pilot.press("c")
            await until(pilot, "READY")
            await pilot.press("6")
            await until(pilot, "made 0 same True")  # n and Enter make theirs in a copy
            await pilot.press("q")

    asyncio.run(run())
