"""A program whose gradients are watched does what it does alone, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from debuggee import Debuggee
from test_truth import PROGRAMS, command, run_on

from gradrepl import model, protocol

WATCHED = [
    "attention", "checkpoint_reentrant", "deep_graph", "double_backward", "gan", "held_locals",
    "hooks", "lbfgs", "many_backwards", "modes", "odd_dtypes", "stale_views", "threads", "workers",
]  # fmt: skip
THERE = [path for path in PROGRAMS if path.stem in WATCHED]


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.stem)
def test_watched(path: Path, attached) -> None:
    seen: list[object] = []

    def go(d: Debuggee) -> None:
        d.look(protocol.SetHealth(name="figures", value=1))
        d.look(protocol.WatchHealth(grads=True, nodes=True, statistics=True))
        run_on(d)
        seen.append(d.look(protocol.AskHealth()))

    attached(command(path), go)
    (health,) = seen
    assert isinstance(health, model.Health)
    assert health.backwards > 0
    assert health.points


def test_the_list_is_current() -> None:
    assert [path.stem for path in THERE] == WATCHED
