"""Copies of a loader, tried out in real worker processes that leave nothing behind."""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader
from torch.utils.data import sampler as samplers

from gradrepl.engine import torch_private
from gradrepl.engine.code.patches import passes
from gradrepl.engine.data import generators, order

worker_signals: Any = torch_private.worker_signals
END = object()
"""In the place of a batch: there is none any more."""


def copy_of(loader: Any, workers: int, **more: Any) -> DataLoader[Any]:
    """Return a loader of the same dataset and settings with another number of workers.

    It draws from a generator of its own. ``more`` replaces settings.
    """
    own = torch.Generator()
    own.manual_seed(0)
    settings = _settings(loader, workers, own)
    if "batch_sampler" not in more:
        settings |= _order(loader, own)
    return _made(loader, {**settings, **more})


def _settings(loader: Any, workers: int, generator: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "num_workers": workers,
        "collate_fn": loader.collate_fn,
        "pin_memory": loader.pin_memory,
        "generator": generator,
        "timeout": loader.timeout if workers else 0,
        "worker_init_fn": loader.worker_init_fn,
    }
    if workers:
        settings["multiprocessing_context"] = loader.multiprocessing_context
        settings["prefetch_factor"] = loader.prefetch_factor or 2
    return settings


def _order(loader: Any, own: torch.Generator) -> dict[str, Any]:
    """Return what decides size and order; a stranger's sampler gives way to one of torch's."""
    if loader._dataset_kind == 1:
        return {"batch_size": loader.batch_size, "drop_last": loader.drop_last}
    size = getattr(loader.batch_sampler, "batch_size", None) or loader.batch_size
    if loader.batch_sampler is None:
        return {"batch_size": None, "sampler": samplers.SequentialSampler(loader.dataset)}
    if not isinstance(size, int):
        size = len(next(iter(order.Epoch(loader).batches(loader, 0, 1)), [0]))
    return {
        "batch_size": max(1, size),
        "sampler": samplers.RandomSampler(loader.dataset, generator=own),
        "drop_last": bool(loader.drop_last),
    }


def _made(loader: Any, settings: dict[str, Any]) -> DataLoader[Any]:
    """Make a loader; that there are more workers than cores is no news of the program's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return DataLoader(loader.dataset, **settings)


def exact_copy(loader: Any) -> DataLoader[Any]:
    """Return a loader that does what ``loader`` would do next, drawing from the same generators.

    Raises:
        StateError: its sampler cannot be asked twice.
    """
    settings = _settings(loader, loader.num_workers, loader.generator)
    if loader._dataset_kind == 1:
        settings |= {"batch_size": loader.batch_size, "drop_last": loader.drop_last}
    elif loader.batch_sampler is None:
        settings |= {"batch_size": None, "sampler": order.own(loader.sampler, loader)}
    else:
        settings["batch_sampler"] = order.own(loader.batch_sampler, loader)
    return _made(loader, settings)


@passes
def next_batch(iterator: Any) -> Any:
    """Return the next batch, or END; Ctrl-C is meant for what is waited for here."""
    return next(iterator, END)


@contextmanager
def running(loader: Any, original: Any) -> Iterator[Any]:
    """Iterate over a copy; afterwards its workers are gone, and all is as it was.

    Torch sets a handler of SIGCHLD for the first workers of a process: it is taken away again.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGCHLD) if main else None
    was_set = worker_signals._SIGCHLD_handler_set
    iterator: Any = None
    with generators.aside(generators.of_loader(original)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            iterator = iter(loader)
            yield iterator
        except KeyboardInterrupt:
            _kill(iterator)
            raise
        finally:
            workers = getattr(iterator, "_workers", [])
            if workers:
                iterator._shutdown_workers()
            for each in workers:
                each.join(5)
            if main and not was_set:
                signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)
                worker_signals._SIGCHLD_handler_set = was_set


def _kill(iterator: Any) -> None:
    """End the workers at once: one of them may hang, and torch waits for seconds."""
    workers = getattr(iterator, "_workers", [])
    if workers:
        worker_signals._remove_worker_pids(id(iterator))  # else torch raises that they were killed
        iterator._worker_pids_set = False
        for each in workers:
            each.kill()
