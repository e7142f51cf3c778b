"""Which random numbers workers draw: the same sample, fetched twice in each of two real workers."""

from __future__ import annotations

import hashlib
import random
import sys
from typing import Any, NamedTuple

import torch
from torch.utils.data import get_worker_info

from gradrepl.engine.data import copies, parts
from gradrepl.engine.tensor import figures

PATIENCE = 20
"""Seconds that a sample may take."""


class Drawn(NamedTuple):
    """What a worker sent: digests of a sample, and of the generators after it was made."""

    worker: int
    sample: str
    numpy: str
    python: str
    torch: str


def digests(samples: list[Any]) -> Drawn:
    """Stand in for ``collate_fn`` in a worker: return digests of the sample and the generators."""
    info = get_worker_info()
    numpy = sys.modules.get("numpy")
    numbers = numpy.random.get_state() if numpy is not None else None
    return Drawn(
        worker=-1 if info is None else info.id,
        sample=_digest(samples),
        numpy=_digest(None if numbers is None else [*map(str, numbers[1].tolist()), numbers[2]]),
        python=_digest(repr(random.getstate())),
        torch=_digest(torch.random.get_rng_state()),
    )


def _digest(value: Any) -> str:
    found = hashlib.sha256()
    for key, each in parts.leaves(value):
        alias = parts.as_tensor(each)
        found.update(key.encode())
        if alias is None or alias.layout is not torch.strided:
            found.update(repr(each).encode())
        else:
            with figures.quiet():
                found.update(alias.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


class Answer(NamedTuple):
    """What came out."""

    random: bool
    """Is a sample another when it is fetched again?"""
    alike: bool
    """Do two workers make the same samples all the same?"""
    again: bool
    """Does another epoch make the same samples again?"""
    blame: tuple[str, ...]
    """The shared generators that were drawn from and are in the same state in both workers."""


def ask(loader: Any, index: Any) -> Answer:
    """Fetch ``dataset[index]`` twice in each of two worker processes, in two epochs."""
    first, second = (_epoch(loader, index, seed) for seed in (1, 2))
    zero, one = ([each for each in first if each.worker == n] for n in (0, 1))
    drew = zero[0].sample != zero[1].sample
    pairs = list(zip(zero, one, strict=True))
    blame = [
        name
        for name in ("numpy", "python", "torch")
        if getattr(zero[0], name) != getattr(zero[1], name)
        and all(getattr(a, name) == getattr(b, name) for a, b in pairs)
    ]
    return Answer(
        random=drew,
        alike=drew and all(a.sample == b.sample for a, b in pairs),
        again=drew and [each.sample for each in first] == [each.sample for each in second],
        blame=tuple(blame),
    )


def _epoch(loader: Any, index: Any, seed: int) -> list[Drawn]:
    own = torch.Generator()
    own.manual_seed(seed)
    copy = copies.copy_of(
        loader, 2, batch_sampler=[[index]] * 4, collate_fn=digests, generator=own,
        timeout=PATIENCE, pin_memory=False,
    )  # fmt: skip
    with copies.running(copy, loader) as batches:
        return list(batches)
