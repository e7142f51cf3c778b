"""Copies of a loader, to be tried out."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch.utils.data import DataLoader
from torch.utils.data import sampler as samplers


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
        size = len(next(iter(loader.batch_sampler), [0]))
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
