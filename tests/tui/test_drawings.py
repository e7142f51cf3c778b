"""Drawings of hand-made records, compared by their characters."""

from __future__ import annotations

import math

import hand_made as fake
import msgspec
import pytest
from chain_samples import SAMPLES as CHAIN
from data_samples import SAMPLES as DATA
from health_samples import SAMPLES as HEALTH
from modules_samples import MODULES as SAMPLE_TREE
from modules_samples import SAMPLES as MODULES
from modules_samples import WEIGHT
from rich.style import Style
from rich.text import Text

from gradrepl import model, render
from gradrepl.draw import ink
from gradrepl.tui import figures, reply
from gradrepl.tui.panels import (
    flow,
    inspector,
    nodes,
    ops,
    side,
    source,
    tensor_lines,
    tree,
    watches,
)  # fmt: skip
from gradrepl.tui.panels.log import decode


def shown(lines: list[ink.Line]) -> str:
    return "\n".join(ink.plain(line).rstrip() for line in lines)


def test_figures_are_short() -> None:
    assert [figures.norm(v) for v in (None, 0.0, 0.1402, 1.0, math.nan, math.inf, 3.1e-9)] == [
        "-", "0", "1.4e-1", "1.0e+0", "nan", "inf", "3.1e-9",
    ]  # fmt: skip
    assert [figures.number(v) for v in (0.412, 3.12, 1234.0, 1e9, -0.0031)] == [
        "0.412", "3.12", "1234", "1.0e+9", "-0.0031",
    ]  # fmt: skip
    assert figures.shape((64,)) == "(64,)"
    assert figures.tight((64, 128)) == "(64,128)"
    assert figures.share(4194, (64, 128)) == "51.2%"


def test_ops() -> None:
    common = {"outputs": ((64, 128),), "dtype": "float32"}
    rows = [model.OpRow(id=1, name="linear", module="fc1", site=fake.site(26), **common),
            model.OpRow(id=2, name="relu", module="act", site=fake.site(27), mode="nan 3 !",
                        depth=1, **common)]  # fmt: skip
    drawn = [ops.draw(row, row.id == 2, "after", 56) for row in rows]
    assert shown([ops.head(56), *drawn]) == (
        "    # op            out           module            line\n"
        "✓   1 linear        (64, 128)     fc1                 26\n"
        "●   2   relu        (64, 128)     act nan 3 !         27"
    )


def test_an_op_that_is_next_has_no_shape_yet() -> None:
    row = model.OpRow(id=3, name="relu", site=fake.site(27))
    assert "about to run" in ink.plain(ops.draw(row, True, "before", 56))


def test_nodes_in_a_narrow_and_a_wide_list() -> None:
    rows = fake.node_rows(3)
    narrow = [nodes.head(46, 7), *(nodes.draw(row, 46, 7) for row in rows[:5])]
    assert shown(narrow) == (
        "    # lanes   node                      |grad|\n"
        "✓   1 ○       NllLossBackward0          1.0e+0\n"
        "✓   2 ○       LogSoftmaxBackward0       1.6e-2\n"
        "●   3 ◉─┬─╮   AddmmBackward0 fc2        1.4e-1\n"
        "·   4 ◇ │ │   fc2.bias AccumulateGrad        -\n"
        "·   5   │ ○   TBackward0 fc2                 -"
    )
    wide = ink.plain(nodes.draw(rows[3], 80, 7))
    assert wide.split() == ["·", "4", "◇", "│", "│", "AccumulateGrad", "fc2.bias", "(10,)", "-"]


def test_a_breakpoint_and_a_nan_are_marked() -> None:
    row = model.NodeRow(
        id=7, name="ReluBackward0", label="act", state="predicted", lanes="○", breakpoint=True
    )
    assert ink.plain(nodes.draw(row, 46, 3)).startswith("◆")
    bad = model.NodeRow(
        id=8, name="DivBackward0", state="done", norm=math.nan, shape=(3,), lanes="○"
    )
    assert ink.plain(nodes.draw(bad, 46, 3)).endswith("nan !")


def test_inspector_of_an_op() -> None:
    assert shown(inspector.draw_op(fake.op(3), 30)) == (
        "h = self.act(z)\n"
        "train.py:27\n"
        "(64, 128) f32 cpu     32.0 KiB\n"
        "min 0  max 3.12  mean 0.412\n"
        "norm 5.4e+1  zero 51.2%  nan 0\n"
        "inf 0\n"
        "grad_fn ReluBackward0\n"
        "requires_grad yes  leaf no\n"
        "version 0\n"
        "\n"
        "values\n"
        "[[0, 0.31, 0, 0.7, 0, 1.2, …\n"
        "\n"
        "inputs\n"
        " 0 z (64, 128) f32  |x| 5.4e+1\n"
        "\n"
        "graph nodes made\n"
        " ReluBackward0\n"
        "\n"
        "module act ReLU  took 31 µs"
    )


def test_inspector_of_a_node() -> None:
    assert shown(inspector.draw_node(fake.node(3), 40)) == (
        "return self.fc2(h)\n"
        "made at train.py:28 MLP.forward\n"
        "rule y = beta * b + alpha * (h @ Wt)\n"
        "IN                           grad_output\n"
        " 0 (64, 10) f32               |g| 1.4e-1\n"
        "OUT                  not computed yet: s\n"
        " 0 → fc2.bias\n"
        " 1 → #7 ReluBackward0\n"
        " 2 no gradient needed\n"
        "SAVED\n"
        " mat1 (64, 128) f32 v0                ok\n"
        " mat2 (128,10) f32 v2 ! changed in place"
    )


def test_a_node_away_from_its_stop_says_where_its_gradients_are_known() -> None:
    node = msgspec.structs.replace(fake.node(3), grad_in=(), saved=())
    assert shown(inspector.draw_node(node, 40)[3:5]) == (
        "IN                     known at its stop\nOUT                    known at its stop"
    )


def test_a_record_without_a_drawing_of_its_own_is_drawn_as_in_the_prompt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = Text("one [/b]\ntwo", style="bold")
    monkeypatch.setattr(render, "render", lambda record, look: drawn)
    lines = reply.lines(model.Record(), 40)
    assert shown(lines) == "one [/b]\ntwo"
    assert isinstance(lines[0][0][1], Style)


def test_an_exception_says_the_place_before_the_words() -> None:
    stop = model.Stop(
        phase="exception", reason="", site=fake.site(27), exception="ValueError: " + "long " * 40
    )
    (line,) = reply.lines(stop, 60)
    assert ink.plain(line).startswith("! train.py:27  ValueError: long long")


def test_values_are_wrapped_and_a_single_number_is_said_once() -> None:
    info = fake.info("x", (9,), values="[" + ", ".join(f"0.{n}" for n in range(11, 20)) + "]")
    text = shown(tensor_lines.whole(info, 30))
    assert "values\n[0.11, 0.12, 0.13, 0.14, 0.15,\n 0.16" in text
    assert "0.19]" in text
    one = fake.info("L", (), values="24", stats=model.Stats(mean=24.0))
    assert shown(tensor_lines.whole(one, 30)).count("24") == 1


def test_source_marks_the_line_and_the_breakpoint() -> None:
    record = model.Source(file="a.py", function="f", lines=(
        model.SourceLine(9, "x = 1"),
        model.SourceLine(10, "y = relu(x)", here=True, note="y (3,)"),
        model.SourceLine(11, "return y", breakpoint=True),
    ))  # fmt: skip
    assert shown(source.draw(record, 40)) == (
        "   9  x = 1\n▶ 10  y = relu(x)  # y (3,)\n◆ 11  return y"
    )


def test_side_sections() -> None:
    tree = side.draw_modules(["encoder.fc1", "encoder.act"], "encoder.act")
    assert shown(tree) == " ▼ encoder\n ✓   fc1\n ●   act"
    points = model.Breakpoints(rows=(
        model.BreakpointInfo(id=1, text="/home/me/train.py:27", hits=3),
        model.BreakpointInfo(id=2, text="nan", enabled=False),
    ))  # fmt: skip
    assert shown(side.draw_breakpoints(points, 24)) == (
        "◆ 1 train.py:27       3×\n○ 2 nan off           0×"
    )


def test_the_tree_of_modules_says_what_each_keeps() -> None:
    assert shown(tree.draw_tree(SAMPLE_TREE, "fc1", 34)) == (
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
        assert shown(tree.draw_tree(found, "", 34)).split("\n")[1].endswith(words or "784)")


def test_watches_say_what_was() -> None:
    lines = watches.draw([model.Watch("z.mean()", "-0.0031", "-0.0029")], 44)
    assert shown(lines) == " z.mean()  -0.0031               was -0.0029"


def test_flow_has_a_mark_for_nan_and_for_zero() -> None:
    lines = shown(flow.draw([1.0, 0.01, math.nan, 0.0, None], 1, 30, 6)).split("\n")
    assert lines == [
        "     1 │● !",
        "  1e-1 │",
        "  1e-2 │ ●",
        "  1e-3 │   0",
        "       └──────────────────────",
        "        #1 .. #5 in run order",
    ]


def test_stops_in_the_transcript_are_one_line() -> None:
    assert shown(reply.lines(fake.node_stop(3), 80)) == "● #3/11 AddmmBackward0 fc2  in |g| 1.4e-1"
    first = shown(reply.lines(fake.op_stop(3), 80)).split("\n")
    assert first == [
        "● %3 relu  (64, 128) f32  train.py:27  h = self.act(z)",
        "  z.mean() = -0.0031",
    ]


def test_every_record_can_be_shown() -> None:
    info = fake.info("x", (3,))
    records = [
        *CHAIN, *DATA, *HEALTH, *MODULES,
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
    assert set(reply.lines.registry) - {object} <= own
    for record in records:
        text = shown(reply.lines(record, 60))
        assert text or isinstance(record, model.Source)
        assert text != type(record).__name__


def test_names_are_text_and_not_markup() -> None:
    row = model.OpRow(
        id=1, name="[/b]", outputs=((3,),), dtype="float32", module="[bold]", site=fake.site(1)
    )
    assert "[/b]" in ink.plain(ops.draw(row, False, "after", 60))
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
        text = ink.ascii_only(ink.plain(nodes.draw(row, 46, 7)))
        assert text.isascii(), text


def test_colours_of_the_program_become_styles() -> None:
    line = decode("\x1b[31mred\x1b[0m \x1b[2Kplain\x07")
    assert ink.plain(line).startswith("red plain")
    assert getattr(line[0][1], "color", None) is not None
