"""The worker processes of an iterator: which batch each is at, for how long, how busy it is."""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from msgspec import structs

from gradrepl.draw.numbers import describe_exit
from gradrepl.engine import torch_private
from gradrepl.engine.code.patches import passes
from gradrepl.engine.data import order
from gradrepl.model import WorkerState

SHM = "/dev/shm"
PROC = "/proc"
EVERY = 0.25
"""Seconds between two looks at what the workers have computed."""
LOOKS = 40
END = object()
"""In the place of a batch: there is none any more."""
worker_signals: Any = torch_private.worker_signals
now = time.perf_counter


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
    queued, states = _queued(iterator, tasks), []
    for number, process in enumerate(workers):
        code = None if process._popen is None else process.exitcode
        state = WorkerState(
            id=number,
            pid=process.pid or 0,
            alive=code is None,
            exit="" if code is None else describe_exit(code),
            seed=iterator._base_seed + number,
        )
        if number in queued:
            since = log.since.get(number) if log is not None else None
            state = structs.replace(
                state,
                batch=queued[number][0],
                indices=order.shown(tasks[queued[number][0]][1][:8]),
                waiting=len(queued[number]),
                seconds=None if since is None else now() - since,
            )
        states.append(state if code is not None else _alive(state, process.pid, log))
    return tuple(states)


def _alive(state: WorkerState, pid: int | None, log: Sampled | None) -> WorkerState:
    busy: Busy | None = getattr(log, "busy", None)
    share, over = (busy.share(pid or 0) if busy is not None else None) or (None, None)
    if share is None and (spent := computed(pid)) is not None and spent[1]:
        share, over = spent[0] / spent[1], spent[1]
    return structs.replace(state, memory=_resident(pid), busy=share, busy_over=over)


def _queued(iterator: Any, known: dict[int, tuple[int, list[Any]]]) -> dict[int, list[int]]:
    """Return by worker what it has still to make, first what it is at; not those that idle.

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
    made = ready(vars(iterator))
    idle = made is not None and made - come >= sum(taken.values())
    done = {worker: count if idle else max(0, count - 1) for worker, count in taken.items()}
    left_over = {worker: mine[done[worker] :] for worker, mine in by_worker.items()}
    return {worker: mine for worker, mine in left_over.items() if mine}


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
        pages = int(Path(f"{PROC}/{pid}/statm").read_text().split()[1])
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


def capacity(loader: Any) -> int | None:
    """Return how many batches can be ready; None without workers."""
    return loader.num_workers * (loader.prefetch_factor or 2) if loader.num_workers else None


def ready(known: dict[str, Any]) -> int | None:
    """Return how many batches are fetched and not handed over; None where nobody can tell.

    ``known`` are the attributes of an iterator.
    """
    if not known.get("_workers"):
        return None
    try:
        come = sum(len(each) == 2 for each in list(known.get("_task_info", {}).values()))
        first, second = known["_worker_result_queue"], known["_data_queue"]
        return int(come + first.qsize() + (second.qsize() if second is not first else 0))
    except (KeyError, NotImplementedError, OSError, ValueError):  # macOS; or it is shut down
        return None


# -- how busy they are -------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, as far as the system tells."""
    try:
        return list(map(int, Path(f"{PROC}/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []


def can_tell() -> bool:
    """Can it be told how busy a process is?"""
    return os.path.exists(f"{PROC}/self/stat")


def computed(pid: int | None) -> tuple[float, float] | None:
    """Return the seconds that a process has computed, and those since it began; or None."""
    try:
        text = Path(f"{PROC}/{pid}/stat").read_text()
        uptime = float(Path(f"{PROC}/uptime").read_text().split()[0])
        fields = text.rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        spent = (int(fields[11]) + int(fields[12])) / ticks
        return spent, max(0.0, uptime - int(fields[19]) / ticks)
    except (OSError, ValueError, IndexError):
        return None


class Busy:
    """What the workers of one epoch computed while batches were fetched."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, dict[int, float]]] = deque(maxlen=LOOKS)
        self._next = 0.0

    def look(self, iterator: Any, moment: float) -> None:
        """Look, if the last time, or the begin, is long enough ago."""
        if moment < self._next:
            return
        begins, self._next = not self._next, moment + EVERY
        if begins:
            return
        pids = [process.pid for process in vars(iterator).get("_workers", ())]
        spent = {pid: each[0] for pid in pids if (each := computed(pid)) is not None}
        self._looks.append((now(), spent))

    def restart(self) -> None:
        """Somebody stopped: the workers waited, too."""
        self._looks.clear()
        self._next = 0.0

    def share(self, pid: int) -> tuple[float, float] | None:
        """Return (share of one core, seconds it is the mean of) of a worker, or None."""
        known = [(moment, spent[pid]) for moment, spent in self._looks if pid in spent]
        if len(known) < 2 or known[-1][0] - known[0][0] < EVERY / 2:
            return None
        over = known[-1][0] - known[0][0]
        return (known[-1][1] - known[0][1]) / over, over


# -- an iteration of our own, in a copy of the program ---------------------------------------------


@passes
def next_batch(iterator: Any) -> Any:
    """Return the next batch, or END; Ctrl-C is meant for what is waited for here."""
    return next(iterator, END)


@contextmanager
def running(loader: Any) -> Iterator[Any]:
    """Iterate over a loader; afterwards its workers are gone. Nothing of it is pinned."""
    vars(loader).update(pin_memory=False, _iterator=None)
    workers: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        iterator = iter(loader)
        try:
            workers = getattr(iterator, "_workers", workers)
            yield iterator
        except KeyboardInterrupt:  # one of them may hang, and torch waits for seconds
            if workers:
                worker_signals._remove_worker_pids(id(iterator))  # else torch raises that
                iterator._worker_pids_set = False
            for each in workers:
                each.kill()
            raise
        finally:
            if workers:
                iterator._shutdown_workers()
            for each in workers:
                each.join(5)
