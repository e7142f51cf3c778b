"""Samples fetched here, in the main process, as a loader's worker would fetch them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from gradrepl.engine import torch_private
from gradrepl.engine.data import generators

worker_module: Any = torch_private.worker_module
now = time.perf_counter


class Fetched(NamedTuple):
    """One sample, or what was raised instead."""

    index: Any
    value: Any
    seconds: float | None
    error: Exception | None


@contextmanager
def as_worker(loader: Any, worker: int | None, base_seed: int | None) -> Iterator[None]:
    """Be worker number ``worker`` for ``get_worker_info()``; with ``base_seed`` seeded like it."""
    before = worker_module._worker_info
    if worker is not None and base_seed is not None:
        state = worker_module._generate_state(base_seed, worker)
        generators.seed(base_seed + worker, state)
    if worker is not None:
        worker_module._worker_info = worker_module.WorkerInfo(
            id=worker,
            num_workers=loader.num_workers,
            seed=(base_seed or 0) + worker,
            dataset=loader.dataset,
        )
    try:
        yield
    finally:
        worker_module._worker_info = before


def fetch(dataset: Any, indices: list[Any]) -> list[Fetched]:
    """Return ``dataset[index]`` for each index, with the seconds that it took.

    A dataset that fetches many at once (``__getitems__``) is asked so, as a loader asks it; torch's
    own Subset is asked one by one, which gives the same.
    """
    many = getattr(dataset, "__getitems__", None)
    if many and not type(dataset).__module__.startswith("torch."):
        try:
            values = list(many(indices))
            return [Fetched(*pair, None, None) for pair in zip(indices, values, strict=True)]
        except Exception:  # the user's dataset; one by one tells which it was
            pass
    return [one(dataset, index) for index in indices]


def one(dataset: Any, index: Any) -> Fetched:
    """Return ``dataset[index]``."""
    begun = now()
    try:
        value = dataset[index]
    except Exception as problem:  # the user's dataset
        return Fetched(index, None, now() - begun, problem)
    return Fetched(index, value, now() - begun, None)
