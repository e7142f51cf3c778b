"""Processes in which nobody can stop: their parent waits for them, and has the terminal."""

from __future__ import annotations

import os
import sys
from types import FrameType

_said: set[tuple[str, int]] = set()


def refuses(frame: FrameType, reason: str) -> bool:
    """Is this a worker process? Then say once a line what to do instead."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is None or not processes.current_process().daemon:
        return False
    place = frame.f_code.co_filename, frame.f_lineno
    if place not in _said:
        _said.add(place)
        file = os.path.basename(place[0])
        name = processes.current_process().name
        print(
            f"gradrepl: {reason} at {file}:{place[1]} is passed by in {_kind()} {name}: a worker"
            f" cannot stop, its parent waits for it. {_instead()}",
            file=sys.stderr, flush=True,
        )  # fmt: skip
    return True


def _kind() -> str:
    return "DataLoader worker" if _loads() else "worker process"


def _instead() -> str:
    if _loads():
        return "With num_workers=0 this line runs in the main process, and stops."
    return "Call the function in the main process to stop in it."


def _loads() -> bool:
    data = sys.modules.get("torch.utils.data")
    return data is not None and data.get_worker_info() is not None
