"""A loader's settings in its own words, which of them have no effect here, how far it is."""

from __future__ import annotations

import ast
import linecache
import os
from collections.abc import Iterator
from pathlib import Path
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import torch
from torch import multiprocessing
from torch.utils.data import Subset
from torch.utils.data import sampler as samplers

from gradrepl import model
from gradrepl.draw.numbers import describe_exit
from gradrepl.engine.code.torch_import import device
from gradrepl.engine.data import batches, generators, order, pace, room
from gradrepl.engine.data.seen import Seen
from gradrepl.engine.data.watch import DataWatch, now, watch_of
from gradrepl.model import Finding, Setting, Site, WorkerState

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

SHM = "/dev/shm"
STEPS = 120
"""Steps of the program that its pace is the mean of."""


def describe(loader: Any, name: str, session: Session, place: Place) -> model.Loader:
    """Return all that can be said of a loader without fetching a sample."""
    watch = watch_of(session.stepper)
    seen = watch.of(loader) if watch is not None else None
    iterator = _running(loader, seen)
    going = vars(iterator).get("_num_yielded", 0) if iterator is not None else 0
    last = seen.last if seen is not None and seen.last >= 0 else going - 1 if going else None
    shm = shared_memory() if loader.num_workers else (None, None)
    return model.Loader(
        name=name, kind=type(loader).__name__, dataset=dataset_name(loader.dataset),
        dataset_kind="iterable" if batches.is_iterable(loader) else "map",
        length=length(loader), batches=batches.total_of(loader), batch_size=batch_size(loader),
        drop_last=bool(loader.drop_last), sampler=sampler_name(loader), order=said_order(loader),
        generator=drawn_from(loader), workers=loader.num_workers, start_method=method(loader),
        settings=tuple(settings(loader)), findings=tuple(findings(loader)),
        watched=watch is not None, epoch=None if seen is None else seen.epoch, batch=last,
        iterating=iterator is not None and (seen is None or not seen.ended),
        processes=processes(iterator, seen),
        seen=() if watch is None else watch.seen_batches(loader),
        ready=None if iterator is None else pace.ready(vars(iterator)),
        pace=_pace(loader, session, watch), timing=_timing(session),
        synthetic=watch is not None
        and watch.replacement is not None
        and watch.replacement.loader() is loader,
        notes=() if not loader.num_workers or pace.can_tell() else
        ("how busy a worker is is read from /proc, which this machine does not have.",),
        shm_total=shm[0], shm_free=shm[1], site=site_of(name, session, place),
        others=room.others(loader, session, place),
    )  # fmt: skip


def _pace(loader: Any, session: Session, watch: DataWatch | None) -> model.Pace | None:
    steps = [] if watch is None else [s for seen in watch.epochs_of(loader) for s in seen.steps()]
    return pace.mean(steps[-STEPS:], pace.room_of(loader), session.stepper.limits.loader)


def _timing(session: Session) -> model.Timing | None:
    """Return the parts of a step, where gradients are watched."""
    health = session.stepper.health
    return health.clock.timing(session.stepper.limits) if health is not None else None


def _running(loader: Any, seen: Seen | None) -> Any:
    if seen is not None and seen.iterator is not None:
        return seen.iterator()
    found = [each for each in order.iterators(loader) if _goes_on(each)]
    return found[-1] if found else None


def _goes_on(iterator: Any) -> bool:
    """Has an iterator something to hand over still?"""
    known = vars(iterator)
    waiting = known.get("_sampler_iter")
    over = isinstance(waiting, GeneratorType) and waiting.gi_frame is None
    return not known.get("_shutdown", False) and not (over and not known.get("_task_info"))


def dataset_name(dataset: Any) -> str:
    """Return 'Digits', or 'Subset of Digits'."""
    kind = type(dataset).__name__
    return f"{kind} of {dataset_name(dataset.dataset)}" if isinstance(dataset, Subset) else kind


def length(loader: Any) -> int | None:
    """Return the number of samples, where the dataset says."""
    try:
        return len(loader.dataset)
    except Exception:  # the user's dataset: without __len__, or one that raises
        return None


def batch_size(loader: Any) -> int | None:
    """Return how many samples a batch has; None where that is up to the sampler."""
    size = loader.batch_size
    if size is None and loader.batch_sampler is not None:
        size = getattr(loader.batch_sampler, "batch_size", None)
    return size if isinstance(size, int) else None


def sampler_name(loader: Any) -> str:
    """Return the class of what gives the indices."""
    if batches.is_iterable(loader):
        return "none: the dataset gives its samples in its own order"
    outer = loader.batch_sampler
    if outer is not None and type(outer) is not samplers.BatchSampler:
        return type(outer).__name__
    inner = getattr(outer, "sampler", loader.sampler)
    return type(inner).__name__


def said_order(loader: Any) -> str:
    """Say in which order samples come."""
    if batches.is_iterable(loader):
        return "the dataset's own"
    outer = loader.batch_sampler
    inner = getattr(outer, "sampler", None) if outer is not None else loader.sampler
    match inner:
        case samplers.RandomSampler():
            drawn = "drawn with replacement" if inner.replacement else "shuffled"
            return f"{drawn}, anew in each epoch"
        case samplers.SequentialSampler():
            return "as they lie in the dataset"
        case samplers.SubsetRandomSampler():
            return f"{len(inner.indices)} of them, shuffled anew in each epoch"
        case samplers.WeightedRandomSampler():
            how = "with" if inner.replacement else "without"
            return f"{inner.num_samples} drawn by weight, {how} replacement"
    return f"as {type(inner if inner is not None else outer).__name__} gives them"


def drawn_from(loader: Any) -> str:
    """Say which generator the order and the workers' seeds are drawn from, and its seed."""
    inner = getattr(loader.batch_sampler, "sampler", None) or loader.sampler
    own = getattr(inner, "generator", None) or loader.generator
    if isinstance(own, torch.Generator):
        return f"a generator of its own, seed {own.initial_seed()}"
    return f"torch's global generator, seed {torch.initial_seed()}"


def method(loader: Any) -> str:
    """Return how worker processes are started; '' without workers."""
    if not loader.num_workers:
        return ""
    context = loader.multiprocessing_context or multiprocessing
    return str(context.get_start_method())


def settings(loader: Any) -> Iterator[Setting]:
    """Yield the options that are not told elsewhere, with why one has no effect."""
    workers = loader.num_workers
    if loader.prefetch_factor is not None:
        yield Setting(name="prefetch_factor", value=str(loader.prefetch_factor))
    elif not workers:
        why = "without workers the next batch is fetched when it is asked for"
        yield Setting(name="prefetch_factor", value="None", without_effect=why)
    yield Setting(name="persistent_workers", value=str(loader.persistent_workers))
    yield _pinned(loader)
    timeout = f"{loader.timeout:g} s" if loader.timeout else "none"
    yield Setting(name="timeout", value=timeout)
    yield Setting(
        name="collate_fn", value=_function(loader.collate_fn),
        without_effect="" if loader._auto_collation or loader.collate_fn is None else
        "" if "default" not in _function(loader.collate_fn) else
        "batch_size is None: samples are only converted, one by one",
    )  # fmt: skip
    if loader.worker_init_fn is not None:
        why = "" if workers else "there are no workers to call it"
        name = _function(loader.worker_init_fn)
        yield Setting(name="worker_init_fn", value=name, without_effect=why)
    if not getattr(loader, "in_order", True):
        why = "" if workers else "without workers batches come in order"
        yield Setting(name="in_order", value="False", without_effect=why)


def _pinned(loader: Any) -> Setting:
    if not loader.pin_memory:
        return Setting(name="pin_memory", value="False")
    here = device() != "cpu"
    why = "" if here else "there is no accelerator here: memory is not pinned, torch warns"
    return Setting(name="pin_memory", value="True", without_effect=why)


def _function(function: Any) -> str:
    inner = getattr(function, "func", None)  # functools.partial
    if inner is not None and not hasattr(function, "__name__"):
        return f"partial of {_function(inner)}"
    return str(getattr(function, "__name__", None) or type(function).__name__)


def findings(loader: Any) -> Iterator[Finding]:
    """Yield what the settings alone tell."""
    for each in settings(loader):
        if each.without_effect and each.name != "prefetch_factor":
            yield Finding(
                severity="note", what=f"{each.name}={each.value} has no effect here.",
                why=each.without_effect + ".",
            )  # fmt: skip
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores and loader.num_workers > cores:
        yield Finding(
            severity="warning",
            what=f"{loader.num_workers} workers share {cores} cores.",
            why="Each worker is a process that wants a core, and the training wants one, too.",
            do="':tune' measures what number is best here.",
        )
    own = generators.held_by(("dataset", loader.dataset))
    if own and loader.num_workers > 1:
        yield Finding(
            severity="warning",
            what=f"{own[0].name} is a generator that each of the {loader.num_workers} workers has "
            "a copy of: all of them draw the same numbers.",
            why="A worker process starts with a copy of the dataset, its generators included.",
            do="Seed it in worker_init_fn from torch.initial_seed(); ':loader check' tries it.",
        )


def shared_memory() -> tuple[int | None, int | None]:
    """Return the bytes of /dev/shm, all and free, through which workers hand over tensors."""
    try:
        found = os.statvfs(SHM)
    except OSError:
        return None, None
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize


# -- workers -----------------------------------------------------------------------------------


def processes(iterator: Any, seen: Seen | None) -> tuple[WorkerState, ...]:
    """Return the worker processes of an iterator: which batch each is at, and for how long."""
    workers = vars(iterator).get("_workers", ()) if iterator is not None else ()
    if not workers:
        return ()
    known = tasks_of(iterator, seen)
    at = _at(iterator, known)
    found = []
    for number, process in enumerate(workers):
        mine = at.get(number, [])
        code = None if process._popen is None else process.exitcode
        since = seen.since.get(number) if seen is not None else None
        indices = known[mine[0]][1] if mine else ()
        share, over = _busy(process.pid, seen) if code is None else (None, None)
        found.append(
            WorkerState(
                id=number, pid=process.pid or 0, alive=code is None,
                exit="" if code is None else describe_exit(code),
                batch=mine[0] if mine else None,
                indices=tuple(repr(index)[:60] for index in indices[:8]), waiting=len(mine),
                seconds=now() - since if since is not None and mine else None,
                memory=_resident(process.pid) if code is None else None,
                seed=iterator._base_seed + number, busy=share, busy_over=over,
            )
        )  # fmt: skip
    return tuple(found)


def _at(iterator: Any, known: dict[int, tuple[int, list[Any]]]) -> dict[int, list[int]]:
    """Return by worker what it has still to make, first what it is at.

    What it has made lies in a queue that cannot be looked into, but counted.
    """
    found: dict[int, list[int]] = {}
    for task, (worker, _) in known.items():
        found.setdefault(worker, []).append(task)
    try:
        left = [queue.qsize() for queue in vars(iterator)["_index_queues"]]
    except (KeyError, NotImplementedError, OSError, ValueError):  # macOS; or it is shut down
        return found
    taken = {worker: max(0, len(mine) - left[worker]) for worker, mine in found.items()}
    come = sum(len(info) > 1 for info in vars(iterator).get("_task_info", {}).values())
    made = pace.ready(vars(iterator))
    idle = made is not None and made - come >= sum(taken.values())
    return {
        worker: mine[taken[worker] :] if idle else mine[max(0, taken[worker] - 1) :]
        for worker, mine in found.items()
    }


def _busy(pid: int | None, seen: Seen | None) -> tuple[float | None, float | None]:
    """Return (share of a core, seconds it is the mean of): while watched, else since it began."""
    found = seen.busy.share(pid or 0) if isinstance(seen, Seen) else None
    if found is not None:
        return found
    spent = pace.computed(pid)
    if spent is None or not spent[1]:
        return None, None
    return spent[0] / spent[1], spent[1]


def tasks_of(iterator: Any, seen: Seen | None) -> dict[int, tuple[int, list[Any]]]:
    """Return by batch, for those that are still to come: (worker, indices as far as known)."""
    whole = order.drawn_by(iterator) if seen is None else None
    found = {}
    for task, info in sorted(vars(iterator).get("_task_info", {}).items()):
        if len(info) > 1:
            continue  # it has come, and waits for its turn
        indices = seen.tasks.get(task, []) if seen is not None else []
        if whole is not None and task < len(whole):
            indices = whole[task]
        found[task] = (info[0], indices)
    return found


def _resident(pid: int | None) -> int | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


# -- the line that makes it --------------------------------------------------------------------


def site_of(name: str, session: Session, place: Place) -> Site | None:
    """Return the line of the script that makes the loader ``name``, as far as its source tells."""
    plain = name.rpartition(".")[2]
    files = [frame.f_code.co_filename for frame in place.frames]
    if session.script:
        files.append(os.path.abspath(session.script))
    for file in dict.fromkeys(files):
        lines = linecache.getlines(file)
        try:
            tree = ast.parse("".join(lines))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and _makes(node, plain):
                line = node.lineno
                return Site(file, line, "<module>", lines[line - 1].strip())
    return None


def _makes(node: ast.Assign, name: str) -> bool:
    if not isinstance(node.value, ast.Call) or "oader" not in ast.unparse(node.value.func):
        return False
    targets = (ast.unparse(target).rpartition(".")[2] for target in node.targets)
    return name in targets
