"""What programs that know nothing of us were shown while they were debugged, and how it reads."""

from __future__ import annotations

import math

import pytest

from gradrepl import draw
from gradrepl.commands.conversation import Attached
from gradrepl.draw import Look, ink
from gradrepl.draw.tensors import statistics
from gradrepl.endpoint import Endpoint
from gradrepl.launch import Options
from gradrepl.model import Site, Stats, Stop

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("stats", "text"),
    [
        (Stats(norm=2.0, min=-1.0, max=1.0, mean=0.5, nans=0, infs=0, zeros=3),
         "min -1  max 1  mean 0.5  norm 2  zero 3"),
        (Stats(norm=NAN, min=NAN, max=NAN, mean=NAN, nans=4, infs=1, zeros=3),
         "zero 3  nan 4  inf 1 !"),
        (Stats(norm=INF, min=-INF, max=1.0, mean=-INF, nans=0, infs=2, zeros=0),
         "min -inf  max 1  inf 2 !"),
        (Stats(norm=INF, min=1e30, max=1e30, mean=1e30, nans=0, infs=0, zeros=0),
         "min 1e30  max 1e30  mean 1e30  norm inf"),
    ],
)  # fmt: skip
def test_figures_that_are_nan_only_because_one_element_is_are_left_out(
    stats: Stats, text: str
) -> None:
    assert ink.plain(statistics(stats)) == text


def test_of_a_long_path_the_end_is_shown() -> None:
    assert ink.tail("model.blocks.2.attn.proj.bias", 30) == "model.blocks.2.attn.proj.bias"
    assert ink.tail("model.blocks.2.attn.proj.bias", 20) == "…2.attn.proj.bias"
    assert ink.tail("model.blocks.2.attn.proj.bias", 10) == "…proj.bias"
    assert ink.tail("model.blocks.2.attn.projection", 6) == "…proj…"
    assert ink.tail("loss", 3) == "lo…"
    assert ink.tail("a.b", 0) == ""


NOTED = Stop(
    phase="backward", reason="breakpoint 1: none", site=Site("/me/train.py", 7, "main", "go()"),
    breakpoints=(1,), notes=("no gradient for gate.weight: no recorded op used it",),
)  # fmt: skip


@pytest.mark.parametrize("plain", [True, False])
def test_what_is_known_of_a_stop_is_shown(plain: bool) -> None:
    text = draw.text(NOTED, Look(plain=plain))
    assert "no gradient for gate.weight: no recorded op used it" in text


def test_what_is_known_of_a_stop_is_broken_to_the_width_of_the_screen() -> None:
    drawn = [ink.plain(line) for line in draw.lines(NOTED, Look(width=40))]
    assert drawn[1:] == ["  no gradient for gate.weight: no", "    recorded op used it"]


@pytest.mark.parametrize(
    ("face", "link", "finished"), [("tui", -1, False), ("repl", -1, True), ("tui", 3, True)]
)
def test_the_screen_stays_when_the_program_that_it_was_attached_to_has_ended(
    face: str, link: int, finished: bool
) -> None:
    told: list[object] = []
    talk = Attached(Options(client=face, endpoint=Endpoint(name="rank0", link=link)), told.append)
    talk._lost(0)
    assert talk.state == "gone"
    assert talk.finished is finished
    assert len(told) == (link < 0)
