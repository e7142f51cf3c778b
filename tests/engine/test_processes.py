"""What is said when one process of a job of several is attached to."""

from __future__ import annotations

import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import torch.distributed

from gradrepl.engine.stopping import interrupts


def job(size: int, begun: bool = True) -> Any:
    return SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: begun, get_rank=lambda: 1,
        get_world_size=lambda: size,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, ""), (job(1), ""), (job(4, begun=False), ""),
        (job(2), "This is rank 1 of 2: while it is paused, the other rank waits at the next "
                 "collective, at most 0:30:00 (the group's time-out), then the job ends."),
        (job(4), "This is rank 1 of 4: while it is paused, the other 3 ranks wait at the next "
                 "collective, at most 0:30:00 (the group's time-out), then the job ends."),
    ],
)  # fmt: skip
def test_that_the_others_wait(monkeypatch: pytest.MonkeyPatch, found: Any, said: str) -> None:
    monkeypatch.setattr(interrupts, "patience", lambda: timedelta(minutes=30))
    if found is None:
        monkeypatch.delitem(sys.modules, "torch.distributed")
    else:
        monkeypatch.setitem(sys.modules, "torch.distributed", found)
    assert interrupts.others_wait() == said


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch without gloo")
def test_the_time_out_is_the_groups(tmp_path: Any) -> None:
    assert interrupts.patience() is None
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1,
        timeout=timedelta(minutes=7),
    )  # fmt: skip
    try:
        assert interrupts.patience() == timedelta(minutes=7)
        assert interrupts.others_wait() == ""
    finally:
        torch.distributed.destroy_process_group()
