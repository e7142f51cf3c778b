"""Errors of loaders with the sample that they are about: its index, its part, its worker.

Torch's messages name a place in the batch, or only a worker. The frames that raised still hold the
iterator, and with it what each worker was to do; which index of a batch raises is found by
fetching them here.
"""

from __future__ import annotations

import contextlib
import dis
import io
import os
import re
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FrameType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from msgspec import structs

from gradrepl.engine import torch_private
from gradrepl.engine.data import batches, fetching, generators, odd, order, workers
from gradrepl.engine.data.wanted import watch_of
from gradrepl.engine.explain.unpicklable import what_cannot_be_pickled
from gradrepl.model import Error, SampleRow

if TYPE_CHECKING:
    from gradrepl.engine.session import Session

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
    error: Error, raised: BaseException, session: Session, known: Any = None
) -> Error:
    """Return ``error`` with a hint that names the sample or worker, where it is a loader's.

    ``known`` is what is known of the epoch (``tasks`` and ``since``, as ``Seen`` has them), where
    that was not the program's own.
    """
    message = error.message
    if not any(_loads(frame) for frame in _frames(raised)):
        return error
    hint = next((hint for part, hint in HINTS.items() if part in message), "")
    if not hint and ("pickle" in message or "Can't get local object" in message):
        hint = what_cannot_be_pickled(raised)
    with session.gate.masked():
        hint = hint or _of_worker(message, raised, session, known) or _of_sample(raised)
    return structs.replace(error, hint=hint) if hint else error


def _frames(raised: BaseException) -> Iterator[FrameType]:
    """Yield the frames that an exception came through, outermost first."""
    tb = raised.__traceback__
    while tb is not None:
        yield tb.tb_frame
        tb = tb.tb_next


def _loads(frame: FrameType) -> bool:
    return "torch/utils/data/" in frame.f_code.co_filename.replace(os.sep, "/")


def _inside(frame: FrameType, file: str) -> bool:
    path = frame.f_code.co_filename.replace(os.sep, "/")
    return path.endswith(f"torch/utils/data/{file}.py")


# -- without workers: the frames hold it all ---------------------------------------------------


def _of_sample(raised: BaseException) -> str:
    """Name the sample for an error while a batch was fetched in this process."""
    found = list(_frames(raised))
    for place, frame in enumerate(found):
        if _inside(frame, "_utils/fetch") and frame.f_code.co_name == "fetch":
            data = frame.f_locals.get("data")
            fetcher = frame.f_locals.get("self")
            if data is not None:
                indices = frame.f_locals.get("possibly_batched_index")
                return _uncollated(data, indices, fetcher, batches.said(raised))  # type: ignore[arg-type]
            return _index_of(found[place : place + 2])
    return ""


def _uncollated(data: Any, indices: Any, fetcher: Any, error: str) -> str:
    """Say which of the fetched samples do not fit together."""
    if not getattr(fetcher, "auto_collation", False):
        return ""
    known = indices if isinstance(indices, (list, tuple)) else []
    if len(known) != len(data) or type(fetcher).__name__.startswith("_Iterable"):
        known = [None] * len(data)
    fetched = [fetching.Fetched(*pair, None, None) for pair in zip(known, data, strict=True)]
    return _misfit(batches.rows_of(fetched, None), error)


def _misfit(rows: list[SampleRow], error: str) -> str:
    oddities = odd.find(rows, strict=True)
    guilty = [e for e in oddities if e.what in ("other keys", "other shape", "other dtype")]
    if not guilty:
        return ""
    shapes = _shapes(rows, guilty[0].key)
    return f"{batches.problem(rows, oddities, error)}{shapes} ':sample I' looks at one."


def _shapes(rows: list[SampleRow], key: str) -> str:
    """Return the shapes of all samples, in short."""
    by_shape: dict[str, list[str]] = {}
    for row in rows:
        for part in row.parts:
            if part.key == key:
                kind = str(part.shape) if part.shape is not None else part.kind
                by_shape.setdefault(kind, []).append(row.index or str(row.place))
    told = [f"{kind}: {_some(indices)}" for kind, indices in by_shape.items()]
    return f" In the batch are {'; '.join(told[:6])}." if len(told) > 1 else ""


def _some(indices: list[str], most: int = 6) -> str:
    more = f" and {len(indices) - most} more" if len(indices) > most else ""
    return ", ".join(indices[:most]) + more


def _index_of(found: list[FrameType]) -> str:
    """Name the index that the fetcher was asking for."""
    indices = found[0].f_locals.get("possibly_batched_index")
    known = [frame.f_locals["idx"] for frame in found if "idx" in _of_fetcher(frame)]
    if not known and isinstance(indices, (list, tuple)):
        known = [given for given in _given(found[-1]) if given in indices]
    if not known and indices is not None and not isinstance(indices, (list, tuple)):
        known = [indices]
    if not known:
        return ""
    return f"dataset[{known[-1]!r}] raises it. ':fetch {known[-1]!r}' steps through it."


def _of_fetcher(frame: FrameType) -> Mapping[str, Any]:
    return frame.f_locals if _inside(frame, "_utils/fetch") else {}


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
        iterator = frame.f_locals.get("self") if _inside(frame, "dataloader") else None
        if issubclass(type(iterator), torch_private.WorkersIterator):
            return iterator
    for iterator in order.all_iterators():
        mine = [process.pid for process in vars(iterator).get("_workers", ())]
        if set(pids) & set(mine):
            return iterator
    return None


def _of_worker(message: str, raised: BaseException, session: Session, known: Any) -> str:
    """Name the sample, or the worker, for an error that a worker caused."""
    caught = re.search(r"Caught (\w+) in DataLoader worker process (\d+)", message)
    died = re.search(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)", message)
    cut = isinstance(raised, CUT)
    if not caught and not died and not cut and "DataLoader timed out after" not in message:
        return ""
    pids = [int(each) for each in died[1].split(",")] if died else []
    iterator = _iterator_of(raised, pids)
    if iterator is None or (cut and not _ended(iterator._workers)):
        return ""
    watch = watch_of(session)
    seen = watch.of_iterator(iterator) if watch is not None and known is None else known
    if caught:
        return _raised_in(iterator, int(caught[2]), caught[1], seen, session)
    if died or cut:
        return _died(iterator, seen, pids, message)
    return _hangs(workers.processes(iterator, seen))


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
    told = []
    for each in busy[:8]:
        since = f" for {each.seconds:.1f} s" if each.seconds is not None else ""
        told.append(f"worker {each.id} is at batch {each.batch}{_listed(each.indices)}{since}")
    return "; ".join(told) + ". ':fetch I' runs one of them here." if told else ""


def _listed(indices: tuple[str, ...]) -> str:
    return f" (indices {_some(list(indices), 8)})" if indices else ""


def _died(iterator: Any, seen: Any, pids: list[int], message: str) -> str:
    """Say how a worker ended, what it was at, and how much memory there is."""
    told = []
    processes = workers.processes(iterator, seen)
    known = workers.tasks_of(iterator, seen)
    for each in processes:
        if each.pid in pids or (not each.alive and not pids):
            mine = {task: found for task, (owner, found) in known.items() if owner == each.id}
            told.append(f"Worker {each.id} (pid {each.pid}) {_how(each)}{_at(mine)}.")
    total, free = workers.shared_memory()
    if total is not None and free is not None:
        told.append(f"/dev/shm has {_mebi(free)} free of {_mebi(total)}.")
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    if largest:
        told.append(f"The largest of the ended children took {_mebi(largest)}.")
    killed = "Killed" in message or any(each.exit == "killed by SIGKILL" for each in processes)
    if "shared memory" in message or "Bus error" in message:
        told.append(
            "Shared memory ran out: a container needs a larger --shm-size, or use fewer workers."
        )
    elif killed:
        told.append("A SIGKILL that nobody sent is the kernel, out of memory: use fewer workers.")
    told.append("With num_workers=0 the same samples are fetched here, where it can be seen.")
    return " ".join(told)


def _at(tasks: dict[int, list[Any]]) -> str:
    """Say at which batch a worker was: one of those that have not arrived."""
    named = [
        f"batch {task}{_listed(tuple(repr(index) for index in found))}"
        for task, found in tasks.items()
    ]
    if not named:
        return ""
    return f" at {named[0]}" if len(named) == 1 else f" at one of these: {', '.join(named[:4])}"


def _how(worker: Any) -> str:
    if not worker.exit:
        return "is gone"
    return f"was {worker.exit}" if worker.exit.startswith("killed") else f"{worker.exit}"


def _mebi(count: int) -> str:
    mebi = count / 2**20
    return f"{mebi / 1024:.1f} GiB" if mebi >= 1024 else f"{mebi:.1f} MiB"


def _raised_in(iterator: Any, worker: int, kind: str, seen: Any, session: Session) -> str:
    """Find the sample of a worker's batch that raises, by fetching them here."""
    task = iterator._rcvd_idx - 1
    indices = _indices(iterator, task, seen)
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
    said = _some([repr(index) for index in indices], 8)
    if guilty is None and iterator._auto_collation:
        misfit = _misfit(batches.rows_of(fetched, worker), kind)
        if misfit:
            return misfit
    return (
        f"It was {where}, with indices {said}. Fetched here, none of them raises {kind}: it "
        "depends on random numbers, or on what the worker did before."
    )


def _anywhere(iterator: Any, worker: int, kind: str, where: str) -> str:
    """Look for a sample that raises where it is not known which ones were in the batch."""
    unknown = f"It was {where}; which samples those are was not noted (':loader watch' notes it)."
    try:
        size = len(iterator._dataset)
    except Exception:  # the user's dataset
        return unknown
    fetched, guilty = _again(iterator, worker, range(size))
    if guilty is None or type(guilty.error).__name__ != kind:
        return f"{unknown} Of the first {len(fetched)} samples none raises {kind} here."
    index = repr(guilty.index)
    return (
        f"dataset[{index}] raises it here, the first in the dataset that does; it was {where}. "
        f"':fetch {index}' runs it here, stopped at its first op."
    )


def _indices(iterator: Any, task: int, seen: Any) -> list[Any]:
    if seen is not None:
        return list(seen.tasks.get(task, ()))
    whole = order.drawn_by(iterator)
    return whole[task] if whole is not None and 0 <= task < len(whole) else []


def _again(iterator: Any, worker: int, indices: Iterable[Any]) -> tuple[list[Any], Any]:
    """Fetch a worker's samples here, silently, up to the one that raises."""
    loader = SimpleNamespace(
        dataset=iterator._dataset, num_workers=iterator._num_workers,
        collate_fn=iterator._collate_fn, sampler=None, batch_sampler=None, generator=None,
    )  # fmt: skip
    found: list[fetching.Fetched] = []
    end = time.monotonic() + SECONDS
    nowhere = io.StringIO()
    with (
        generators.aside(generators.of_loader(loader)),
        fetching.as_worker(loader, worker, iterator._base_seed),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        for index in indices:
            one = fetching.one(loader.dataset, index)
            if one.error is not None:
                return found, one
            found.append(one)
            if time.monotonic() > end:
                break
    sys.stdout.flush()
    return found, None
