"""The worker processes of an iterator: which batch each is at, and for how long."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from msgspec import structs

from gradrepl.draw.numbers import describe_exit
from gradrepl.engine.data import order, pace
from gradrepl.engine.data.epoch_log import EpochLog, now
from gradrepl.engine.data.order import shown
from gradrepl.model import WorkerState

SHM = "/dev/shm"


class Sampled(Protocol):
    """What is known of an epoch's indices: an EpochLog, or what stands for one."""

    @property
    def tasks(self) -> dict[int, list[Any]]:
        """By batch: its indices."""

    @property
    def since(self) -> dict[int, float]:
        """By worker: since when it has been at what it has to deliver next."""


def processes(iterator: Any, log: Sampled | None) -> tuple[WorkerState, ...]:
    """Return the worker processes of an iterator: which batch each is at, and for how long."""
    workers = vars(iterator).get("_workers", ()) if iterator is not None else ()
    if not workers:
        return ()
    tasks = tasks_of(iterator, log)
    at = _at(iterator, tasks)
    states = []
    for number, process in enumerate(workers):
        mine = at.get(number, [])
        code = None if process._popen is None else process.exitcode
        since = log.since.get(number) if log is not None and mine else None
        state = WorkerState(
            id=number,
            pid=process.pid or 0,
            alive=code is None,
            exit="" if code is None else describe_exit(code),
            batch=mine[0] if mine else None,
            indices=shown(tasks[mine[0]][1][:8]) if mine else (),
            waiting=len(mine),
            seconds=None if since is None else now() - since,
            seed=iterator._base_seed + number,
        )
        states.append(state if code is not None else _alive(state, process.pid, log))
    return tuple(states)


def _alive(state: WorkerState, pid: int | None, log: Sampled | None) -> WorkerState:
    share, over = _busy(pid, log)
    return structs.replace(state, memory=_resident(pid), busy=share, busy_over=over)


def _at(iterator: Any, known: dict[int, tuple[int, list[Any]]]) -> dict[int, list[int]]:
    """Return by worker what it has still to make, first what it is at.

    What it has made lies in a queue that cannot be looked into, but counted.
    """
    by_worker: dict[int, list[int]] = {}
    for task, (worker, _) in known.items():
        by_worker.setdefault(worker, []).append(task)
    try:
        left = [queue.qsize() for queue in vars(iterator)["_index_queues"]]
    except (KeyError, NotImplementedError, OSError, ValueError):  # macOS; or it is shut down
        return by_worker
    taken = {worker: max(0, len(mine) - left[worker]) for worker, mine in by_worker.items()}
    come = sum(len(info) > 1 for info in vars(iterator).get("_task_info", {}).values())
    made = pace.ready(vars(iterator))
    idle = made is not None and made - come >= sum(taken.values())
    return {
        worker: mine[taken[worker] :] if idle else mine[max(0, taken[worker] - 1) :]
        for worker, mine in by_worker.items()
    }


def _busy(pid: int | None, log: Sampled | None) -> tuple[float | None, float | None]:
    """Return (share of a core, seconds it is the mean of): while watched, else since it began."""
    share = log.busy.share(pid or 0) if isinstance(log, EpochLog) else None
    if share is not None:
        return share
    spent = pace.computed(pid)
    if spent is None or not spent[1]:
        return None, None
    return spent[0] / spent[1], spent[1]


def tasks_of(iterator: Any, log: Sampled | None) -> dict[int, tuple[int, list[Any]]]:
    """Return by batch, for those that are still to come: (worker, indices as far as known)."""
    whole = order.drawn_by(iterator) if log is None else None
    tasks = {}
    for task, info in sorted(vars(iterator).get("_task_info", {}).items()):
        if len(info) > 1:
            continue  # it has come, and waits for its turn
        indices = log.tasks.get(task, []) if log is not None else []
        if whole is not None and task < len(whole):
            indices = whole[task]
        tasks[task] = (info[0], indices)
    return tasks


def _resident(pid: int | None) -> int | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def shared_memory() -> tuple[int | None, int | None]:
    """Return the bytes of /dev/shm, all and free, through which workers hand over tensors."""
    try:
        disk = os.statvfs(SHM)
    except OSError:
        return None, None
    return disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
