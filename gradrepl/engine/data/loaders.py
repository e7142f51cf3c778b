"""A loader's settings in its own words, which of them have no effect here, how far it is."""

from __future__ import annotations

import ast
import linecache
import os
from collections.abc import Iterator
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import torch
from msgspec import structs
from torch import multiprocessing
from torch.utils.data import Subset
from torch.utils.data import sampler as samplers

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.code import frames
from gradrepl.engine.code.torch_import import device
from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.data import apart, batches, current_loader, fetching, order, workers
from gradrepl.engine.data.epoch_log import EpochLog, pace_of
from gradrepl.engine.data.wanted import Loops, log_of, watch_of
from gradrepl.engine.data.watch import DataWatch
from gradrepl.engine.health.wanted import Gradients
from gradrepl.engine.session import Answer, on
from gradrepl.model import Finding, Setting, Site

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

NO_PROC = "how busy a worker is is read from /proc, which this machine does not have."
STEPS = 120
"""Steps of the program that its pace is the mean of."""


@on(p.AskLoader)
def _(request: p.AskLoader, session: Session, place: Place) -> Answer:
    """Tell all that can be said of a loader without fetching a sample."""
    if request.look and not request.expression:
        loader, name = current_loader.iterated_loader(session, place)
    else:
        loader, name = current_loader.find_loader(request.expression, session, place)
    sizes = apart.answered(session, place, lambda: _sizes(loader, name))
    if not isinstance(sizes, model.Loader):
        return sizes
    watch, log = watch_of(session), log_of(session, loader)
    iterator = _running(loader, log)
    total, free = workers.shared_memory() if loader.num_workers else (None, None)
    record = model.Loader(
        name=name,
        kind=type(loader).__name__,
        dataset=dataset_name(loader.dataset),
        dataset_kind="iterable" if batches.is_iterable(loader) else "map",
        length=sizes.length,
        batches=sizes.batches,
        batch_size=batch_size(loader),
        drop_last=bool(loader.drop_last),
        sampler=sampler_name(loader),
        order=order_text(loader),
        generator=rng_text(loader),
        workers=loader.num_workers,
        start_method=start_method(loader),
        settings=tuple(settings(loader)),
        findings=tuple(findings(loader)),
        pace=_pace(loader, session, watch),
        timing=_timing(session),
        notes=() if not loader.num_workers or workers.can_tell() else (NO_PROC,),
        shm_total=total,
        shm_free=free,
        site=site_of(name, session, place),
        others=current_loader.others(loader, session, place),
    )
    if iterator is not None:
        record = _iterated(record, iterator, log)
    return record if watch is None else _watched(record, loader, watch, log)


def _sizes(loader: Any, name: str) -> model.Loader:
    """Ask the program's own classes how long they are."""
    return model.Loader(name=name, length=length(loader), batches=batches.total_of(loader))


@on(p.WatchLoaders)
def _(request: p.WatchLoaders, session: Session, place: Place) -> Answer:
    loops = session.state(Loops)
    loops.asked = not request.off
    session.stepper.rearm()
    watch = watch_of(session)
    return model.LoaderWatch(
        on=watch is not None,
        breakpoints=watch is not None and not loops.asked,
        epochs=watch.epochs if watch is not None else 0,
        batches=watch.batches if watch is not None else 0,
    )


def _iterated(record: model.Loader, iterator: Any, log: EpochLog | None) -> model.Loader:
    got = vars(iterator).get("_num_yielded", 0)
    return structs.replace(
        record,
        iterating=log is None or not log.ended,
        batch=got - 1 if got else None,
        processes=workers.processes(iterator, log),
        ready=workers.ready(vars(iterator)),
    )


def _watched(
    record: model.Loader, loader: Any, watch: DataWatch, log: EpochLog | None
) -> model.Loader:
    replaced = watch.replacement
    return structs.replace(
        record,
        watched=True,
        epoch=None if log is None else log.epoch,
        batch=log.last if log is not None and log.last >= 0 else record.batch,
        seen=watch.seen_batches(loader),
        synthetic=replaced is not None and replaced.loader() is loader,
    )


def _pace(loader: Any, session: Session, watch: DataWatch | None) -> model.Pace | None:
    steps = [] if watch is None else [s for log in watch.epochs_of(loader) for s in log.steps()]
    return pace_of(steps[-STEPS:], workers.capacity(loader), session.state(Gradients).limits.loader)


def _timing(session: Session) -> model.Timing | None:
    """Return the parts of a step, where gradients are watched."""
    gradients = session.state(Gradients)
    watch = gradients.watch
    return watch.clock.timing(gradients.limits) if watch is not None else None


def _running(loader: Any, log: EpochLog | None) -> Any:
    if log is not None and log.iterator is not None:
        return log.iterator()
    running = [each for each in order.iterators(loader) if _goes_on(each)]
    return running[-1] if running else None


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
    except USER_ERRORS:  # the user's dataset: without __len__, or one that raises
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


def order_text(loader: Any) -> str:
    """Say in which order samples come."""
    if batches.is_iterable(loader):
        return "the dataset's own"
    outer = loader.batch_sampler
    inner = getattr(outer, "sampler", None) if outer is not None else loader.sampler
    match inner:
        case samplers.RandomSampler():
            drawn = "redrawn with replacement" if inner.replacement else "reshuffled"
            return f"{drawn} every epoch"
        case samplers.SequentialSampler():
            return "as they lie in the dataset"
        case samplers.SubsetRandomSampler():
            return f"{len(inner.indices)} of them, reshuffled every epoch"
        case samplers.WeightedRandomSampler():
            how = "with" if inner.replacement else "without"
            return f"{inner.num_samples} drawn by weight, {how} replacement"
    return f"as {type(inner if inner is not None else outer).__name__} gives them"


def rng_text(loader: Any) -> str:
    """Say which generator the order and the workers' seeds are drawn from, and its seed."""
    inner = getattr(loader.batch_sampler, "sampler", None) or loader.sampler
    own = getattr(inner, "generator", None) or loader.generator
    if isinstance(own, torch.Generator):
        return f"its own, seed {own.initial_seed()}"
    return f"torch default, seed {torch.initial_seed()}"


def start_method(loader: Any) -> str:
    """Return how worker processes are started; '' without workers."""
    if not loader.num_workers:
        return ""
    context = loader.multiprocessing_context or multiprocessing
    return str(context.get_start_method())


def settings(loader: Any) -> Iterator[Setting]:
    """Yield the options that are not told elsewhere, with why one has no effect."""
    many = loader.num_workers
    if loader.prefetch_factor is not None:
        yield Setting(name="prefetch_factor", value=str(loader.prefetch_factor))
    elif not many:
        why = "without workers the next batch is fetched when it is asked for"
        yield Setting(name="prefetch_factor", value="None", without_effect=why)
    yield Setting(name="persistent_workers", value=str(loader.persistent_workers))
    yield _pinned(loader)
    timeout = f"{loader.timeout:g} s" if loader.timeout else "none"
    yield Setting(name="timeout", value=timeout)
    function = _function(loader.collate_fn)
    one_by_one = not loader._auto_collation and "default" in function
    why = "batch_size is None: samples are only converted, one by one" if one_by_one else ""
    yield Setting(name="collate_fn", value=function, without_effect=why)
    if loader.worker_init_fn is not None:
        why = "" if many else "there are no workers to call it"
        name = _function(loader.worker_init_fn)
        yield Setting(name="worker_init_fn", value=name, without_effect=why)
    if not getattr(loader, "in_order", True):
        why = "" if many else "without workers batches come in order"
        yield Setting(name="in_order", value="False", without_effect=why)


def _pinned(loader: Any) -> Setting:
    if not loader.pin_memory:
        return Setting(name="pin_memory", value="False")
    why = "there is no accelerator here: memory is not pinned, torch warns"
    return Setting(name="pin_memory", value="True", without_effect=why if device() == "cpu" else "")


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
                severity="note",
                message=f"{each.name}={each.value} has no effect here.",
                evidence=each.without_effect + ".",
            )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores and loader.num_workers > cores:
        yield Finding(
            severity="warning",
            message=f"{loader.num_workers} workers share {cores} cores.",
            evidence="Each worker is a process that wants a core, and the training wants one, too.",
            fix="':tune' measures what number is best here.",
        )
    own = fetching.held_by(("dataset", loader.dataset))
    if own and loader.num_workers > 1:
        yield Finding(
            severity="warning",
            message=f"{own[0].name} is a generator that each of the {loader.num_workers} workers "
            "has a copy of: all of them draw the same numbers.",
            evidence="A worker process starts with a copy of the dataset, its generators included.",
            fix="Seed it in worker_init_fn from torch.initial_seed(); ':loader check' tries it.",
        )


# -- the line that makes it --------------------------------------------------------------------


def site_of(name: str, session: Session, place: Place) -> Site | None:
    """Return the line of the script that makes the loader ``name``, as far as its source tells."""
    plain = name.rpartition(".")[2]
    files = [frame.f_code.co_filename for frame in place.frames]
    if session.script:
        files.append(frames.absolute(session.script))
    for file in dict.fromkeys(files):
        lines = linecache.getlines(file)
        try:
            tree = ast.parse("".join(lines))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and _makes(node, plain):
                text = lines[node.lineno - 1].strip()
                return Site(file, node.lineno, "<module>", text)
    return None


def _makes(node: ast.Assign, name: str) -> bool:
    if not isinstance(node.value, ast.Call) or "oader" not in ast.unparse(node.value.func):
        return False
    targets = (ast.unparse(target).rpartition(".")[2] for target in node.targets)
    return name in targets


def function_site(function: Any) -> Site | None:
    """Return where a function is written in Python."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    text = linecache.getline(code.co_filename, code.co_firstlineno).strip()
    return Site(code.co_filename, code.co_firstlineno, code.co_name, text)
