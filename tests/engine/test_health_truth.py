"""A program whose gradients are watched does what it does alone, to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from debuggee import Debuggee
from test_truth import SLOW, but, command, only, run_on, some

from gradrepl import model, protocol

PLACED = ("fast_weights", "profiled", "unreadable")
"""Programs whose parameters or gradients are not what a watch would expect: always watched."""


@pytest.mark.parametrize(
    "path", some(but(*SLOW, *PLACED), 1, 2) + only(*PLACED), ids=lambda path: path.stem
)
def test_watched(path: Path, attached) -> None:
    seen: list[object] = []

    def go(d: Debuggee) -> None:
        d.look(protocol.SetHealth(name="figures", value=1))
        d.look(protocol.WatchHealth(grads=True, nodes=True, statistics=True))
        run_on(d)
        seen.append(d.look(protocol.AskHealth()))

    attached(command(path), go)
    (health,) = seen
    if path.stem == "terminated":
        assert health is None  # nobody is there to answer
        return
    assert isinstance(health, model.Health)
    assert health.backwards > 0
    assert health.points
