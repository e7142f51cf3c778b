"""The other processes of a job: workers, in which nobody can stop, and ranks, which wait."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import timedelta
from types import FrameType
from typing import Any

_said: set[tuple[str, int]] = set()


def refuses(frame: FrameType, reason: str) -> bool:
    """Is this a worker process? Then say once a line what to do instead."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is None or not processes.current_process().daemon:
        return False
    place = frame.f_code.co_filename, frame.f_lineno
    if place not in _said:
        _said.add(place)
        kind, instead = "worker process", "Call the function in the main process to stop in it."
        data = sys.modules.get("torch.utils.data")
        if data is not None and data.get_worker_info() is not None:
            kind = "DataLoader worker"
            instead = "With num_workers=0 this line runs in the main process, and stops."
        sentence = (
            f"gradrepl: {reason} at {os.path.basename(place[0])}:{place[1]} is skipped in {kind}"
            f" {processes.current_process().name}: a worker cannot stop, its parent waits for it."
        )
        print(sentence, instead, file=sys.stderr, flush=True)
    return True


def others_wait() -> str:
    """Say that the other ranks wait while this one is paused; '' where there are none."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return ""
    size = distributed.get_world_size()
    if size < 2:
        return ""
    who = "the other rank waits" if size == 2 else f"the other {size - 1} ranks wait"
    limit = patience()
    most = f", at most {limit} (the group's time-out), then the job ends" if limit else ""
    here = f"rank {distributed.get_rank()} of {size}"
    return f"This is {here}: while it is paused, {who} at the next collective{most}."


def patience() -> timedelta | None:
    """Return the time-out of the default group; None where torch does not tell."""
    module: Any = sys.modules.get("torch.distributed.distributed_c10d")
    with suppress(AttributeError, RuntimeError, ValueError, IndexError):
        group = module._get_default_group()
        limit = group._get_backend(group._device_types[0]).options._timeout
        return limit if isinstance(limit, timedelta) else None
    return None
