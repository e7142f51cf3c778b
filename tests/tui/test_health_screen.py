"""The Health screen: what it draws, what its keys do, and that it moves while a training runs."""

from __future__ import annotations

import asyncio
import math

import pytest
from hand_made import FakeConversation
from health_samples import BIAS, CHANGE, ENC, FINE, HEAD, HEALTH, WATCHING
from msgspec.structs import replace
from screens import Seen, on_screen

from gradrepl import model, protocol
from gradrepl.draw import Look, charts, ink
from gradrepl.draw.charts import _stretched, bars
from gradrepl.draw.health import curve, details, head, line, summary
from gradrepl.errors import LinkError
from gradrepl.tui.pages.health import HealthLine, _todo, verdicts

NAN = float("nan")
RISING = replace(FINE, name="rise", verdict="rising", label="rising", history=(1e-3, 1e-2, 0.1))
DEPTHS = tuple(
    model.Depth(name=name, norm=norm, verdict=verdict)
    for name, norm, verdict in (
        ("head.weight", NAN, "nan"), ("head.bias", 1.0, "ok"), ("mid.weight", 1e-3, "ok"),
        ("enc.weight", 3.1e-9, "vanishing"), ("enc.bias[/b]", None, "no grad"),
        ("dead", 0.0, "dead"),
    )
)  # fmt: skip
POINTS = tuple(
    model.HealthPoint(backward=n, total=NAN if n == 30 else 10.0**-n, loss=2.0 - n / 20)
    for n in range(1, 31)
)
SCREEN = replace(
    HEALTH, rows=(HEAD, ENC, BIAS, RISING, FINE), total=5, depths=DEPTHS, points=POINTS,
    clipping=(model.Clipping(how="norm", limit=1.0, calls=120, hit=3),),
)  # fmt: skip


def text(lines: list[ink.Line]) -> list[str]:
    return [ink.plain(line).rstrip() for line in lines]


# -- drawings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [38, 58, 67, 68, 78, 99, 100, 116, 158])
def test_every_line_fits_and_says_the_verdict(width: int) -> None:
    lines = [
        HealthLine(row, tied)
        for row, tied in ((HEAD, ""), (ENC, ""), (ENC, "dec.weight"), (BIAS, ""), (RISING, ""))
    ]
    drawn = [ink.plain(line(each.row, each.tied, width)) for each in lines]
    assert all(ink.width([(each, "")]) <= width for each in [*drawn, ink.plain(head(width))])
    assert [each[0] for each in drawn] == ["!", "!", " ", "!", "↑"]
    for each, word in zip(drawn, ("NaN @118", "vanishing", "tied to", "no grad", "rising"),
                          strict=True):  # fmt: skip
        assert word in each
    assert ink.plain(head(width)).rstrip().endswith("verdict")
    assert ink.plain(head(width)).index("verdict") == drawn[0].index("NaN @118")


def test_the_list_at_two_widths() -> None:
    assert text([head(78), line(ENC, "", 78)]) == [
        "  parameter      |g|       |g|/|w|   update/weight zero steps       verdict",
        "! enc.weight     3.1e-9    1.9e-10   ~4e-9         2%   █▆▃▁        vanishing",
    ]
    assert text([head(116), line(HEAD, "", 116)]) == [
        "  parameter   shape        |g|       max|g|    |g|/|w|   update/weight zero nan "
        " last 23 steps            verdict",
        "! head.weight (10, 64)     nan       nan       nan       0.0025        0%   640 "
        " ▁▃▆█!                    NaN @118",
    ]


def test_nan_is_marked_and_no_gap() -> None:
    assert curve((1.0, NAN, None, math.inf), 5, False) == [
        ("▅", "number"), ("!", "bad"), ("·", "dim"), ("!", "bad"), (" ", ""),
    ]  # fmt: skip
    assert ink.plain(curve((1.0, NAN, None), 4, True)) == "+!. "


def test_the_summary() -> None:
    assert ink.plain(summary(SCREEN)) == (
        "backward 30  total norm nan  loss 0.5  clip 1.0 hit 3 of 120"
        "  GradScaler 65536, 2 steps skipped  AdamW lr 0.0003  3 of 5 with a problem"
    )
    unscaled = model.Clipping(how="value", limit=0.5, calls=7, hit=0, scaled=True)
    found = ink.plain(summary(replace(HEALTH, points=(), clipping=(unscaled,))))
    assert found.startswith("clip value 0.5 not hit in 7 (not unscaled!)")


def test_norms_by_depth() -> None:
    assert text(charts.depth_plot(DEPTHS, "enc.weight", 56, 6)) == [
        "     1 ┤!        ●",
        "  1e-2 ┤                   ●",
        "  1e-4 ┤",
        "  1e-6 ┤",
        "  1e-8 ┤                            ◉         ·        0",
        "        loss side                   enc.weight",
    ]
    narrow, wide = (text(charts.depth_plot(DEPTHS, "", cells, 6)) for cells in (56, 120))
    assert "×" in narrow[4]  # a problem, not by its colour alone
    assert wide[-1].split() == ["loss", "side", "input", "side"]
    assert text(charts.depth_plot(DEPTHS[1:2], "head.bias", 40, 3)) == [
        "     1 ┤◉", "  1e-1 ┤", "        head.bias",
    ]  # fmt: skip


def test_many_depths_keep_the_chosen_and_the_ends() -> None:
    many = tuple(model.Depth(name=f"l{n}", norm=10.0 ** -(n % 5)) for n in range(500))
    lines = text(charts.depth_plot(many, "l123", 66, 6))
    assert all(len(line) <= 66 for line in lines)
    assert sum(line.count("◉") for line in lines) == 1
    assert sum(line.count("●") for line in lines) == 57
    assert "l123" in lines[-1]


def test_nothing_to_draw_yet() -> None:
    assert charts.depth_plot((), "", 60, 6) == []  # the panel says when it is known
    assert charts.curves((), 60, 6, False) == []


def test_curves_have_labels_and_a_mark_for_nan() -> None:
    lines = text(charts.curves(POINTS, 48, 7, False))
    assert lines[0].startswith("     0.1┤")
    assert lines[0].endswith("!")
    assert lines[2].startswith("   1e-29┤")
    assert lines[1].startswith("     |g|┤")
    assert [each[:9] for each in lines[3:6]] == ["    1.95┤", "    loss┤", "     0.5┤"]
    assert lines[6].split() == ["1", "30"]
    plain = text(charts.curves(POINTS, 48, 7, True))
    assert set("".join(each[9:] for each in plain[:6])) <= set("*! ")


def test_a_loss_below_zero_has_a_plain_scale() -> None:
    points = tuple(
        model.HealthPoint(backward=n, total=1.0, loss=float(-n)) for n in range(1, 9)
    )  # fmt: skip
    lines = text(charts.curves(points, 40, 5, False))
    assert lines[2].startswith("      -1┤")
    assert lines[3].startswith("      -8┤")


def test_few_values_are_joined_over_the_width_and_nan_stays() -> None:
    assert _stretched([1.0, 3.0], 5) == [1.0, 1.5, 2.0, 2.5, 3.0]
    assert _stretched([2.0], 3) == [2.0] * 3
    assert math.isnan(_stretched([1.0, NAN], 4)[-1])
    assert _stretched([1.0, 2.0, 3.0], 2) == [1.0, 2.0, 3.0]


def test_details_say_which_number_crossed_which_limit() -> None:
    row = replace(ENC, where=("Most at #12 SigmoidBackward0.",), spread=((-12.0, 3), (-11.0, 9)))
    lines = text(details(row, Look(width=42)))
    assert lines[1:5] == [
        "also: dec.weight", "verdict: ! vanishing since backward 7",
        "why: |g| 3.1e-09 is below health.vanishing 1e-07.", "where: Most at #12 SigmoidBackward0.",
    ]  # fmt: skip
    assert "-11 ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇ 9" in lines
    assert text([*_todo(row)]) == [
        "b break at the verdict vanishing", "w: explain this verdict",
    ]  # fmt: skip
    assert text(bars([("-11", 9), ("-12", 3)], 18)) == ["-11 ▇▇▇▇▇▇▇▇▇▇▇▇ 9", "-12 ▇▇▇▇ 3"]
    lines = text(details(HEAD, Look(width=42)))
    assert "not finite: 640 NaN of 640 elements" in lines
    assert "norms: 0.001  0.01  0.1  1  nan" in lines


def test_new_verdicts_are_one_line() -> None:
    record = model.Verdicts(changes=(CHANGE, CHANGE, CHANGE), total=9)
    assert verdicts(record) == (
        "backward 118: head.weight NaN @118, head.weight NaN @118 and 7 more"
    )


# -- on the screen -------------------------------------------------------------------------------


class Watches(FakeConversation):
    """A conversation in which gradients are watched as soon as that was asked for."""

    watching = False
    backwards = 118

    async def enter(self, text: str) -> None:
        if text.startswith(":watch"):
            self.entered.append(text)
            self.watching = True
            self.show(WATCHING)
            return
        await super().enter(text)

    async def ask(self, request: protocol.Request) -> model.Record | None:
        if not isinstance(request, protocol.AskHealth):
            return await super().ask(request)
        self.asked.append(request)
        if not self.watching:
            return model.Error(message="no gradients have been watched.")
        if request.name:
            (row,) = (row for row in SCREEN.rows if row.name == request.name)
            return replace(SCREEN, rows=(replace(row, spread=((-3.0, 5),)),), total=1)
        if request.running:
            self.backwards += 1
        return replace(SCREEN, backwards=self.backwards)


def watched(talk: Watches) -> None:
    talk.watching = True


def test_the_empty_screen_says_what_to_type_and_one_key_starts_it() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape")
        assert not any(isinstance(each, protocol.AskHealth) for each in seen.talk.asked)
        await seen.press("5")
        assert "[5 Health]" in seen.text
        assert "W or :watch grads" in seen.text
        await seen.press("W")
        assert seen.talk.entered[-1] == ":watch grads"
        assert "Gradients after backward 118" in seen.text
        assert "! head.weight" in seen.text
        await seen.press("s")
        assert "[5 Health]" in seen.text  # a step is looked at from here

    on_screen(body, make=Watches)


def test_keys_of_the_screen() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "5", "j")
        assert seen.app.main.page.name_here() == "enc.weight"
        await seen.press("b")
        assert seen.talk.entered[-1] == ":break verdict vanishing"
        await seen.press("w")
        sentence = "enc.weight vanishing: |g| 3.1e-09 is below health.vanishing 1e-07."
        assert sentence in seen.text
        await seen.press("enter")
        assert "elements by log10 |g|" in seen.text
        assert seen.app.main.page.near.lines
        await seen.press("escape", "j")
        assert seen.app.main.page.name_here() == "dec.weight"
        await seen.press("t")
        assert "Total norm and loss" in seen.text
        await seen.press("t", "slash", *"mid", "enter")
        assert seen.app.main.page.name_here() == "mid.weight"
        await seen.press("b")
        assert seen.talk.entered[-1] == ":break verdict bad"

    on_screen(body, make=Watches, prepare=watched)


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 35), (160, 45)])
@pytest.mark.parametrize("ascii", [False, True])
def test_at_every_size(size: tuple[int, int], ascii: bool) -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "5")
        assert "! head.weight" in seen.text
        assert "NaN @118" in seen.text
        assert all(len(line) <= size[0] for line in seen.lines)
        if size[1] >= 24:
            assert "|g| by depth" in seen.text
            assert "clip 1.0 hit 3 of 120" in seen.text
        if size[0] == 160:
            assert "640 NaN of 640 elements" in seen.text
            assert "Total norm and loss" in seen.text
        if ascii:
            assert seen.text.isascii()

    on_screen(body, size=size, make=Watches, prepare=watched, ascii=ascii)


def test_it_moves_while_the_program_runs() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "5")
        before = seen.talk.backwards
        seen.talk.prompt = None
        seen.app.changed()
        for _ in range(200):
            await asyncio.sleep(0.05)
            if seen.talk.backwards > before + 1:
                break
        await seen.settle()
        assert f"Gradients after backward {seen.talk.backwards}" in seen.text
        asked = [each for each in seen.talk.asked if isinstance(each, protocol.AskHealth)]
        assert asked[-1].running
        assert asked[-1].count <= 100
        await seen.press("1")
        assert seen.app.main.view == "fwd"
        count = len(seen.talk.asked)
        await asyncio.sleep(0.6)
        assert len(seen.talk.asked) == count, "nobody looks: nobody is asked"

    on_screen(body, make=Watches, prepare=watched)


def test_a_debuggee_that_is_gone_or_says_no_leaves_what_was_shown() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "5")

        async def gone(request: protocol.Request) -> None:
            raise LinkError("the debuggee is gone.")

        seen.talk.ask = gone
        await seen.app.main.page._look()
        assert "! head.weight" in seen.text

        async def no(request: protocol.Request) -> model.Error:
            return model.Error(message="a look takes long.")

        seen.talk.ask = no
        await seen.app.main.page._look()
        assert "! head.weight" in seen.text

    on_screen(body, make=Watches, prepare=watched)


def test_new_verdicts_leave_the_dock_as_it_is() -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "5")
        changes = tuple(replace(CHANGE, name=f"l{n}.weight") for n in range(8))
        seen.app.show(model.Verdicts(changes=changes, total=12))
        await seen.settle()
        assert "backward 118: l0.weight NaN @118, l1.weight NaN @118 and 10 more" in seen.text
        assert "! head.weight" in seen.text

    on_screen(body, make=Watches, prepare=watched)
