"""The goals as ratios in one run, with a margin, never as times.

What is judged is the best of many adjacent pairs. It errs downwards, so that a test that fails has
found something, and one that passes has shown little: the table's medians say how fast it is.
The fastest run over the fastest bare one errs upwards: bare runs are many more, so luckier.
"""

from __future__ import annotations

import idle
import overhead
import pytest
from table import Row, in_child

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

MARGIN = 1.15
NAMES = idle.NAMES


@pytest.fixture(scope="module")
def costs() -> dict[str, Row]:
    """Return the measured rows by what they measure."""
    return {row.what: row for row in overhead.measure(10).rows}


def judge(row: Row, goals: tuple[float | None, ...]) -> None:
    over = {
        name: f"{best:.3f} > {goal} with a margin"
        for name, best, goal in zip(NAMES, row.best, goals, strict=True)
        if goal is not None and best > goal * MARGIN
    }
    assert not over, f"{row.what}: {over}"


def test_attached_and_idle_costs_nothing() -> None:
    row = idle.measure(6).rows[0]
    judge(row, row.goals)


def test_the_order_of_every_node(costs: dict[str, Row]) -> None:
    judge(costs[overhead.ORDER], overhead.REACH)


def test_recording_forward_ops(costs: dict[str, Row]) -> None:
    judge(costs[overhead.FORWARD], overhead.GOALS[overhead.FORWARD])


def test_a_deep_graph_is_captured_stepped_and_freed() -> None:
    assert set(in_child("graphs", "deep")) == {"build", "step", "free"}


def test_capture_costs_the_same_for_each_node() -> None:
    small, large = (in_child("graphs", str(size))["best"] for size in (100_000, 1_000_000))
    assert small / large < 1.5 * MARGIN, "beyond the caches a node may cost half as much again"


def test_a_step_costs_the_same_in_a_large_graph() -> None:
    small, large = (in_child("stepping", "here", str(size))["cpu"] for size in (10, 100_000))
    assert large / small < MARGIN * MARGIN


def test_a_frame_of_a_long_list_costs_what_a_short_one_does() -> None:
    short, long = (in_child("screen", "list", str(size))["frame"] for size in (1_000, 1_000_000))
    assert long / short < MARGIN * MARGIN
