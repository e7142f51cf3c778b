"""Drawings of hand-made records, compared by their characters."""

from __future__ import annotations

import math

import hand_made as fake
import msgspec
from modules_samples import MODULES as SAMPLE_TREE
from modules_samples import WEIGHT
from test_render import RECORDS

from gradrepl import draw, model
from gradrepl.draw import Look, charts, ink, lists, looking, modules, tensors
from gradrepl.draw.numbers import dtype, number, percent, shape
from gradrepl.tui.pages import forward
from gradrepl.tui.ring import decode


def lines(record: model.Record, width: int) -> list[ink.Line]:
    return draw.lines(record, Look(width=width, brief=True))


def shown(lines: list[ink.Line]) -> str:
    return "\n".join(ink.plain(line).rstrip() for line in lines)


def test_figures_are_short() -> None:
    assert [number(v) for v in (None, 0.0, 0.1402, 1.0, math.nan, math.inf, 3.1e-9)] == [
        "-", "0", "0.1402", "1", "nan", "inf", "3.1e-9",
    ]  # fmt: skip
    assert [number(v) for v in (0.412, 3.12, 1234.0, 1e9, -0.0031)] == [
        "0.412", "3.12", "1234", "1e9", "-0.0031",
    ]  # fmt: skip
    assert (shape((64,)), shape(None), dtype("torch.float32")) == ("(64,)", "", "f32")
    assert percent(4194 / (64 * 128)) == "51.2%"


def test_ops() -> None:
    common = {"outputs": ((64, 128),), "dtype": "float32"}
    rows = [model.OpRow(id=1, name="linear", module="fc1", site=fake.site(26), **common),
            model.OpRow(id=2, name="relu", module="act", site=fake.site(27), mode="nan 3 !",
                        depth=1, **common)]  # fmt: skip
    drawn = [lists.op_row(row, row.id == 2, "after", 56) for row in rows]
    assert shown([lists.op_head(56), *drawn]) == (
        "    # op            out           module            line\n"
        "✓   1 linear        (64, 128)     fc1                 26\n"
        "●   2   relu        (64, 128)     act nan 3 !         27"
    )


def test_an_op_that_is_next_has_no_shape_yet() -> None:
    row = model.OpRow(id=3, name="relu", site=fake.site(27))
    assert "about to run" in ink.plain(lists.op_row(row, True, "before", 56))


def test_nodes_in_a_narrow_and_a_wide_list() -> None:
    rows = fake.node_rows(3)
    narrow = [lists.node_head(46, 7), *(lists.node_row(row, 46, 7) for row in rows[:5])]
    assert shown(narrow) == (
        "    # lanes   node                      |grad|\n"
        "✓   1 ○       NllLossBackward0               1\n"
        "✓   2 ○       LogSoftmaxBackward0        0.016\n"
        "●   3 ◉─┬─╮   AddmmBackward0 fc2          0.14\n"
        "·   4 ◇ │ │   fc2.bias AccumulateGrad        -\n"
        "·   5   │ ○   TBackward0 fc2                 -"
    )
    wide = ink.plain(lists.node_row(rows[3], 80, 7))
    assert wide.split() == ["·", "4", "◇", "│", "│", "AccumulateGrad", "fc2.bias", "(10,)", "-"]


def test_a_breakpoint_and_a_nan_are_marked() -> None:
    row = model.NodeRow(
        id=7, name="ReluBackward0", label="act", state="predicted", lanes="○", breakpoint=True
    )
    assert ink.plain(lists.node_row(row, 46, 3)).startswith("◆")
    bad = model.NodeRow(
        id=8, name="DivBackward0", state="done", norm=math.nan, shape=(3,), lanes="○"
    )
    assert ink.plain(lists.node_row(bad, 46, 3)).endswith("nan !")


def test_an_op_in_a_narrow_column() -> None:
    assert shown(lines(fake.op(3), 30)) == (
        "op: %3 relu\n"
        "line: train.py:27\n"
        "  h = self.act(z)\n"
        "output 0: h  (64, 128) f32\n"
        "  min 0  max 3.12  mean 0.412\n"
        "  norm 54.2  zero 51.2%\n"
        "values: [[0, 0.31, 0, 0.7, 0,\n"
        "  1.2, …\n"
        "autograd: ReluBackward0,\n"
        "  version 0\n"
        "memory: 32.0 KiB on cpu\n"
        "input 0: z  (64, 128) f32\n"
        "  norm 54.2\n"
        "created: ReluBackward0\n"
        "module: act ReLU\n"
        "took: 31 µs"
    )


def test_a_node() -> None:
    assert shown(lines(fake.node(3), 52)) == (
        "node: #3 AddmmBackward0  fc2\n"
        "made by: train.py:28  return self.fc2(h)\n"
        "rule: y = beta * b + alpha * (h @ Wt)\n"
        "grad_in[0]: (64, 10) f32  norm 0.14\n"
        "grad_out[0]: to fc2.bias\n"
        "grad_out[1]: to #7 ReluBackward0\n"
        "grad_out[2]: no gradient needed\n"
        "saved mat1: h  (64, 128) f32  version 0\n"
        "saved mat2: (128, 10) f32  version 2\n"
        "  ! changed in place\n"
        "module: fc2"
    )


def test_a_node_away_from_its_stop_says_where_its_gradients_are_known() -> None:
    node = msgspec.structs.replace(fake.node(3), grad_in=(), saved=())
    assert shown(lines(node, 40)[3:4]) == "grad_in: known at its stop"


def test_an_exception_says_the_place_before_the_words() -> None:
    stop = model.Stop(
        phase="exception", reason="", site=fake.site(27), exception="ValueError: " + "long " * 40
    )
    (line,) = lines(stop, 60)
    assert ink.width(line) <= 60
    assert ink.plain(line).startswith("! train.py:27  ValueError: long long")


def test_values_are_wrapped_and_a_single_number_is_said_once() -> None:
    info = fake.info("x", (9,), values="[" + ", ".join(f"0.{n}" for n in range(11, 20)) + "]")
    text = shown(lines(info, 30))
    assert "values: [0.11, 0.12, 0.13,\n  0.14, 0.15, 0.16" in text
    assert "0.19]" in text
    one = fake.info("L", (), values="24", stats=model.Stats(mean=24.0))
    assert ink.plain(tensors.named(one)) == "L  () f32  = 24"


def test_source_marks_the_line_and_the_breakpoint() -> None:
    record = model.Source(file="a.py", function="f", lines=(
        model.SourceLine(9, "x = 1"),
        model.SourceLine(10, "y = relu(x)", here=True, note="y (3,)"),
        model.SourceLine(11, "return y", breakpoint=True),
    ))  # fmt: skip
    assert shown(looking.source(record, 40)) == (
        "   9  x = 1\n▶ 10  y = relu(x)  # y (3,)\n◆ 11  return y"
    )


def test_side_sections() -> None:
    tree = forward.draw_modules(["encoder.fc1", "encoder.act"], "encoder.act")
    assert shown(tree) == " ▼ encoder\n ✓   fc1\n ●   act"
    points = model.Breakpoints(rows=(
        model.BreakpointInfo(id=1, text="/home/me/train.py:27", hits=3),
        model.BreakpointInfo(id=2, text="nan", enabled=False),
    ))  # fmt: skip
    assert shown([*looking.breakpoints(points.rows, 30)]) == (
        "◆ 1 train.py:27  (hit 3 times)\n○ 2 nan  (disabled)"
    )


def test_the_tree_of_modules_says_what_each_keeps() -> None:
    assert shown(modules.tree(SAMPLE_TREE, "fc1", 34)) == (
        " ✓ MLP MLP                 100,480\n"
        " ●   fc1 Linear eval       100,480\n"
        "       weight (128,784) = head.we…\n"
        "       mean (4,)            buffer\n"
        "     fc3 Linear = fc1\n"
        "   and 2 more\n ! 1 in no optimizer"
    )
    grads = [
        ("ok", "grad ok"), ("none", "no grad"), ("zero", "grad 0"), ("nan", "grad nan"), ("", "")
    ]  # fmt: skip
    for state, words in grads:
        one = msgspec.structs.replace(WEIGHT, grad=state, tied=(), optimized="")
        row = msgspec.structs.replace(SAMPLE_TREE.rows[1], parameters=(one,))
        found = model.Modules(rows=(row,), total=1)
        assert shown(modules.tree(found, "", 34)).split("\n")[1].endswith(words or "784)")


def test_watches_say_what_was() -> None:
    lines = looking.displays([model.Watch("z.mean()", "-0.0031", "-0.0029")], 44)
    assert shown(lines) == " z.mean()  -0.0031               was -0.0029"


def test_flow_has_a_mark_for_nan_and_for_zero() -> None:
    lines = shown(charts.flow([1.0, 0.01, math.nan, 0.0, None], 1, 30, 6)).split("\n")
    assert lines == [
        "     1 ┤● !",
        "  1e-1 ┤",
        "  1e-2 ┤ ●",
        "  1e-3 ┤   0",
        "       └──────────────────────",
        "        #1 .. #5 in run order",
    ]


def test_stops_in_the_transcript_are_one_line() -> None:
    assert shown(lines(fake.node_stop(3), 80)) == (
        "● #3/11 AddmmBackward0 fc2  in |g| 0.14  train.py:28"
    )
    first = shown(lines(fake.op_stop(3), 80)).split("\n")
    assert first == [
        "● %3 relu  h  (64, 128) f32  train.py:27  h = self.act(z)  min 0  max 3.12  mea…",
        "  z.mean() = -0.0031  (was -0.0029)",
    ]


def test_every_record_can_be_shown() -> None:
    info = fake.info("x", (3,))
    records = [
        *RECORDS,
        info, fake.op(1), fake.node(1), fake.op_stop(1), fake.node_stop(1),
        model.Pass(outcome="finished", nodes_run=3, total=3), model.Value(text="3"),
        model.Frames(frames=(), path=("loss", "x")), model.Source(file="a", function="f", lines=()),
        model.Ops(rows=(), first=0, total=0), model.Nodes(rows=(), first=0, total=0, run=0),
        model.Variables(rows=(), total=0), model.BreakpointInfo(id=1, text="nan"),
        model.Breakpoints(rows=()), model.Completions(words=("a",)), model.Notice(message="done"),
        model.Text(title="t", body="b"), model.Error(message="no", hint="do"), model.Ended(code=0),
        model.Gone(how="killed by SIGKILL", code=-9),
    ]  # fmt: skip
    own = {type(record) for record in records}
    assert set(draw.drawing.registry) - {object, model.Record} <= own
    for record in records:
        text = shown(lines(record, 60))
        assert text or isinstance(record, model.Source)
        assert text != type(record).__name__


def test_names_are_text_and_not_markup() -> None:
    row = model.OpRow(
        id=1, name="[/b]", outputs=((3,),), dtype="float32", module="[bold]", site=fake.site(1)
    )
    assert "[/b]" in ink.plain(lists.op_row(row, False, "after", 60))
    assert ink.plain([ink.span("a\x1b[31m\n\tb\u202e")]) == "a␛[31m·    b·"


def test_wide_characters_keep_the_columns() -> None:
    assert ink.width([ink.span(ink.pad("張量", 8))]) == 8
    assert ink.clip("張量張量", 5) == "張量…"


def test_wrap_breaks_at_spaces() -> None:
    line = [("made of several words ", "dim"), ("and-one-that-is-too-long", "name")]
    assert [ink.plain(part) for part in ink.wrap(line, 14, 2)] == [
        "made of", "  several", "  words and-on", "  e-that-is-to", "  o-long",
    ] or all(ink.width(part) <= 14 for part in ink.wrap(line, 14, 2))  # fmt: skip


def test_ascii_has_no_glyph_left() -> None:
    for row in fake.node_rows(3):
        text = ink.ascii_only(ink.plain(lists.node_row(row, 46, 7)))
        assert text.isascii(), text


def test_colours_of_the_program_become_styles() -> None:
    line = decode("\x1b[31mred\x1b[0m \x1b[2Kplain\x07")
    assert ink.plain(line).startswith("red plain")
    assert getattr(line[0][1], "color", None) is not None
