"""Errors of loaders with the sample that they are about: its index, its part, its worker.

Torch's messages name a place in the batch, or only a worker. The frames that raised still hold the
iterator, and with it what each worker was to do; which index of a batch raises is found by
fetching them here.
"""

from __future__ import annotations

import dis
import os
import pickle
import re
import resource
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import multiprocessing

from gradrepl.draw.numbers import size
from gradrepl.engine import torch_private
from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.data import apart, batches, fetching, order, workers
from gradrepl.engine.data.batches import listed
from gradrepl.engine.data.current_loader import current_of
from gradrepl.engine.data.wanted import watch_of
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import StateError
from gradrepl.model import Error, Notice, WorkerState

if TYPE_CHECKING:
    from gradrepl.engine.session import Session

DATA = "torch/utils/data/"
CAUGHT = re.compile(r"Caught (\w+) in DataLoader worker process (\d+)")
DIED = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)")
CUT = (ConnectionError, EOFError, FileNotFoundError)
"""What is raised where a worker ended while it handed over the memory of a batch."""
SECONDS = 5.0
"""Time for finding which sample raises."""
HINTS = {
    "sampler option is mutually exclusive with shuffle": "A sampler decides the order: leave "
    "shuffle out (its default is False), or shuffle in the sampler.",
    "batch_sampler option is mutually exclusive": "A batch_sampler decides size and order: leave "
    "batch_size, shuffle, sampler and drop_last out.",
    "num_samples should be a positive integer value, but got num_samples=0": "The dataset is "
    "empty: its len() is 0. Look at how it finds its files, or at the split.",
    "prefetch_factor option could only be specified": "Without workers nothing is fetched ahead: "
    "leave prefetch_factor out, or give num_workers (2 batches a worker are the default then).",
    "persistent_workers option needs num_workers": "Leave persistent_workers out, or give "
    "num_workers.",
    "expected unspecified shuffle option": "An IterableDataset gives its samples in its own "
    "order: shuffle in its __iter__.",
    "Cannot re-initialize CUDA in forked subprocess": "The dataset touches CUDA in a worker: keep "
    "its tensors on the CPU and move batches in the loop, or use "
    "multiprocessing_context='spawn'.",
    "cannot pin": "Only tensors in the CPU's memory can be pinned: samples are on the device "
    "already, so leave pin_memory out.",
    "Too many open files": "Each tensor that a worker hands over is a file: 'ulimit -n 8192', or "
    "torch.multiprocessing.set_sharing_strategy('file_system').",
}
"""What to do about messages that need no looking up, by a stable part of their text."""


def name_the_sample(
    message: str, raised: BaseException, session: Session, known: Any = None
) -> str:
    """Name the sample or the worker, and what to do; '' where the error is not a loader's.

    ``known`` is what is known of the epoch (``tasks`` and ``since``, as an ``EpochLog`` has them),
    where that was not the program's own.
    """
    if not any(map(_file, _frames(raised))):
        return ""
    if (iterator := _iterator_of(raised, [])) is not None:
        current_of(session).failed = weakref.ref(iterator)
    hint = next((hint for part, hint in HINTS.items() if part in message), "")
    if not hint and ("pickle" in message or "Can't get local object" in message):
        hint = _apart(session, partial(_what_cannot_be_pickled, raised))
    with session.gate.masked():
        return hint or _of_worker(message, raised, session, known) or _of_sample(raised)


def _apart(session: Session, told: Callable[[], str]) -> str:
    """Return what is found out in a copy of the program, or why it is not."""
    try:
        found = apart.answered(
            session, Place("exception"), lambda: Notice(message=told()), silent=True
        )
    except StateError as error:
        return str(error)
    return found.message if isinstance(found, Notice | Error) else ""


def _frames(raised: BaseException) -> Iterator[FrameType]:
    """Yield the frames that an exception came through, outermost first."""
    tb = raised.__traceback__
    while tb is not None:
        yield tb.tb_frame
        tb = tb.tb_next


def _file(frame: FrameType) -> str:
    """Return the file of torch.utils.data that a frame is in: 'dataloader', or ''."""
    path = frame.f_code.co_filename.replace(os.sep, "/")
    return path.rpartition(DATA)[2].removesuffix(".py") if DATA in path else ""


# -- without workers: the frames hold it all ---------------------------------------------------


def _of_sample(raised: BaseException) -> str:
    """Name the sample for an error while a batch was fetched in this process."""
    all_frames = list(_frames(raised))
    for place, frame in enumerate(all_frames):
        if _file(frame) == "_utils/fetch" and frame.f_code.co_name == "fetch":
            if frame.f_locals.get("data") is not None:
                return _uncollated(frame.f_locals, batches.error_text(raised))
            return _index_of(all_frames[place : place + 2])
    return ""


def _uncollated(fetching_frame: Mapping[str, Any], error: str) -> str:
    """Say which of the fetched samples do not fit together."""
    data, fetcher = fetching_frame["data"], fetching_frame.get("self")
    if not getattr(fetcher, "auto_collation", False):
        return ""
    known = fetching_frame.get("possibly_batched_index")
    if not isinstance(known, (list, tuple)) or len(known) != len(data):
        known = [None] * len(data)
    if type(fetcher).__name__.startswith("_Iterable"):
        known = [None] * len(data)
    fetched = [fetching.Fetched(*pair, None, None) for pair in zip(known, data, strict=True)]
    return batches.misfit(batches.rows_of(fetched, None), error)


def _index_of(frames: list[FrameType]) -> str:
    """Name the index that the fetcher was asking for."""
    indices = frames[0].f_locals.get("possibly_batched_index")
    fetchers = [frame.f_locals for frame in frames if _file(frame) == "_utils/fetch"]
    known = [names["idx"] for names in fetchers if "idx" in names]
    if not known and isinstance(indices, (list, tuple)):
        known = [given for given in _given(frames[-1]) if given in indices]
    elif not known and indices is not None:
        known = [indices]
    if not known:
        return ""
    return f"dataset[{known[-1]!r}] raises it. ':fetch {known[-1]!r}' steps through it."


def _given(frame: FrameType) -> list[Any]:
    """Return the index that a ``__getitem__`` was called with, unless it may have changed it.

    Since Python 3.12 the fetcher's own loop variable is gone once the exception has left its loop.
    """
    code = frame.f_code
    if code.co_name != "__getitem__" or code.co_argcount < 2:
        return []
    name = code.co_varnames[1]
    changes = ("STORE", "DELETE")
    if any(each.opname.startswith(changes) and each.argval == name for each in _steps(code)):
        return []
    return [frame.f_locals[name]] if isinstance(frame.f_locals.get(name), int) else []


def _steps(code: CodeType) -> Iterator[dis.Instruction]:
    """Yield the instructions of a function and of those in it: one of them may bind its names."""
    yield from dis.get_instructions(code)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _steps(inner)


# -- with workers ------------------------------------------------------------------------------


def _iterator_of(raised: BaseException, pids: list[int]) -> Any:
    """Return the iterator that an exception came through, or that has a worker of these."""
    for frame in _frames(raised):
        iterator = frame.f_locals.get("self") if _file(frame) == "dataloader" else None
        if issubclass(type(iterator), torch_private.LoaderIterator):
            return iterator
    for iterator in order.all_iterators():
        mine = [process.pid for process in vars(iterator).get("_workers", ())]
        if set(pids) & set(mine):
            return iterator
    return None


def _of_worker(message: str, raised: BaseException, session: Session, known: Any) -> str:
    """Name the sample, or the worker, for an error that a worker caused."""
    caught, died = CAUGHT.search(message), DIED.search(message)
    cut, hangs = isinstance(raised, CUT), "DataLoader timed out after" in message
    if not any((caught, died, cut, hangs)):
        return ""
    pids = [int(each) for each in died[1].split(",")] if died else []
    iterator = _iterator_of(raised, pids)
    if iterator is None or (cut and not _ended(iterator._workers)):
        return ""
    watch = watch_of(session) if known is None else None
    log = known if watch is None else watch.of_iterator(iterator)
    if caught:
        return _apart(session, lambda: _raised_in(iterator, int(caught[2]), caught[1], log))
    if hangs:
        return _hangs(workers.processes(iterator, log))
    return _died(iterator, log, pids, message)


def _ended(processes: Any) -> bool:
    """Has one of the workers ended, or does it within a second? It may be about to."""
    end = time.monotonic() + 1.0
    try:
        while all(each.is_alive() for each in processes):
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
    except RuntimeError:  # torch's handler of SIGCHLD says so
        pass
    return True


def _hangs(processes: Any) -> str:
    busy = [each for each in processes if each.batch is not None]
    parts = []
    for each in busy[:8]:
        since = f" for {each.seconds:.1f} s" if each.seconds is not None else ""
        parts.append(f"worker {each.id} is at batch {each.batch}{_listed(each.indices)}{since}")
    return "; ".join(parts) + ". ':fetch I' runs one of them here." if parts else ""


def _listed(indices: tuple[str, ...]) -> str:
    return f" (indices {listed(list(indices), 8)})" if indices else ""


def _died(iterator: Any, log: Any, pids: list[int], message: str) -> str:
    """Say how a worker ended, what it was at, and how much memory there is."""
    processes = workers.processes(iterator, log)
    tasks = workers.tasks_of(iterator, log)
    parts = []
    for each in processes:
        if each.pid in pids or (not each.alive and not pids):
            own = {task: indices for task, (owner, indices) in tasks.items() if owner == each.id}
            parts.append(f"Worker {each.id} (pid {each.pid}) {_end_of(each)}{_at(own)}.")
    total, free = workers.shared_memory()
    if total is not None and free is not None:
        parts.append(f"/dev/shm has {size(free)} free of {size(total)}.")
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    if largest:
        parts.append(f"The largest of the ended children took {size(largest)}.")
    parts.append(_out_of_memory(message, processes))
    parts.append("With num_workers=0 the same samples are fetched here, where it can be seen.")
    return " ".join(filter(None, parts))


def _out_of_memory(message: str, processes: Iterable[WorkerState]) -> str:
    if "shared memory" in message or "Bus error" in message:
        return "Shared memory ran out: a container needs a larger --shm-size, or use fewer workers."
    if "Killed" in message or any(each.exit == "killed by SIGKILL" for each in processes):
        return "A SIGKILL that nobody sent is the kernel, out of memory: use fewer workers."
    return ""


def _at(tasks: dict[int, list[Any]]) -> str:
    """Say at which batch a worker was: one of those that have not arrived."""
    named = [
        f"batch {task}{_listed(tuple(repr(index) for index in indices))}"
        for task, indices in tasks.items()
    ]
    if not named:
        return ""
    return f" at {named[0]}" if len(named) == 1 else f" at one of these: {', '.join(named[:4])}"


def _end_of(worker: WorkerState) -> str:
    return f"was {worker.exit}" if worker.exit.startswith("killed") else worker.exit or "is gone"


def _raised_in(iterator: Any, worker: int, kind: str, log: Any) -> str:
    """Find the sample of a worker's batch that raises, by fetching them here."""
    task = iterator._rcvd_idx - 1
    indices = _indices(iterator, task, log)
    where = f"worker {worker}, batch {task}"
    if not indices:
        return _anywhere(iterator, worker, kind, where)
    fetched, guilty = _again(iterator, worker, indices)
    if guilty is not None and type(guilty.error).__name__ == kind:
        index = repr(guilty.index)
        return (
            f"dataset[{index}] raises it ({where}), here too. ':fetch {index}' runs it here with "
            f"worker {worker}'s seed, stopped at its first op."
        )
    named = listed([repr(index) for index in indices], 8)
    if guilty is None and iterator._auto_collation:
        misfit = batches.misfit(batches.rows_of(fetched, worker), kind)
        if misfit:
            return misfit
    return (
        f"It was {where}, with indices {named}. Fetched here, none of them raises {kind}: it "
        "depends on random numbers, or on what the worker did before."
    )


def _anywhere(iterator: Any, worker: int, kind: str, where: str) -> str:
    """Look for a sample that raises where it is not known which ones were in the batch."""
    unknown = f"It was {where}; which samples those are was not noted (':loader watch' notes it)."
    try:
        length = len(iterator._dataset)
    except USER_ERRORS:  # the user's dataset
        return unknown
    fetched, guilty = _again(iterator, worker, range(length))
    if guilty is None or type(guilty.error).__name__ != kind:
        return f"{unknown} Of the first {len(fetched)} samples none raises {kind} here."
    index = repr(guilty.index)
    return (
        f"dataset[{index}] raises it here, the first in the dataset that does; it was {where}. "
        f"':fetch {index}' runs it here, stopped at its first op."
    )


def _indices(iterator: Any, task: int, log: Any) -> list[Any]:
    if log is not None:
        return list(log.tasks.get(task, ()))
    whole = order.drawn_by(iterator)
    return whole[task] if whole is not None and 0 <= task < len(whole) else []


def _again(iterator: Any, worker: int, indices: Iterable[Any]) -> tuple[list[Any], Any]:
    """Fetch a worker's samples up to the one that raises."""
    loader = order.loader_of(iterator)
    fetched: list[fetching.Fetched] = []
    end = time.monotonic() + SECONDS
    fetching.be_worker(loader, worker, iterator._base_seed)
    for index in indices:
        one = fetching.one(loader.dataset, index)
        if one.error is not None:
            return fetched, one
        fetched.append(one)
        if time.monotonic() > end:
            break
    return fetched, None


# -- what cannot be sent to a worker ------------------------------------------------------------


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        """Take everything."""
        return len(data)


def _what_cannot_be_pickled(raised: BaseException) -> str:
    """Name the attribute that cannot be pickled, for an error while workers were started."""
    inside = (f.f_locals for f in _frames(raised) if _file(f) == "dataloader")
    loaders = [names["loader"] for names in inside if "loader" in names]
    names = _unpicklable(loaders[-1]) if loaders else []
    if not names:
        return ""
    context = loaders[-1].multiprocessing_context or multiprocessing
    method = context.get_start_method()
    return (
        f"{' and '.join(names[:3])} cannot be pickled, and with the start method '{method}' all "
        "that a worker gets is: define functions and classes at the top of a file, not inside a "
        "function and not as a lambda; or use multiprocessing_context='fork'."
    )


def _unpicklable(loader: Any) -> list[str]:
    """Return the names of what cannot be pickled, as deep as it can be told."""
    names = []
    for name in ("dataset", "collate_fn", "worker_init_fn"):
        value = getattr(loader, name, None)
        if value is not None and not _pickles(value):
            held = getattr(value, "__dict__", None)
            attributes = held.items() if isinstance(held, dict) else ()
            inner = [f"{name}.{key}" for key, each in attributes if not _pickles(each)]
            names += inner or [f"{name} ({type(value).__name__})"]
    return names


def _pickles(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    large = (torch.Tensor,) if numpy is None else (torch.Tensor, numpy.ndarray)
    if isinstance(value, large):
        return True
    try:
        pickle.Pickler(_Nowhere()).dump(value)
    except USER_ERRORS:  # what the user's own classes raise
        return False
    return True
