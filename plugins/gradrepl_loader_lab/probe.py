"""Which random numbers workers draw: the same sample, fetched twice in each of two real workers."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch.utils.data import get_worker_info

from gradrepl.engine.data import batches, fetching, loaders, parts, workers
from gradrepl.engine.tensor import figures
from gradrepl.model import Finding, Site, sited
from gradrepl_loader_lab import loader_copy

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
    """Stand in for ``collate_fn`` in a worker: return digests of the sample and the fetching."""
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
    shared = (name for name in ("numpy", "python", "torch") if _shared(name, pairs))
    return Answer(
        random=drew,
        alike=drew and all(a.sample == b.sample for a, b in pairs),
        again=drew and [each.sample for each in first] == [each.sample for each in second],
        blame=tuple(shared),
    )


def _shared(name: str, pairs: list[tuple[Drawn, Drawn]]) -> bool:
    """Was a generator drawn from, and always in one state in both workers?"""
    drawn_from = getattr(pairs[0][0], name) != getattr(pairs[1][0], name)
    return drawn_from and all(getattr(a, name) == getattr(b, name) for a, b in pairs)


def _epoch(loader: Any, index: Any, seed: int) -> list[Drawn]:
    own = torch.Generator()
    own.manual_seed(seed)
    copy = loader_copy.copy_of(
        loader,
        2,
        batch_sampler=[[index]] * 4,
        collate_fn=digests,
        generator=own,
        timeout=PATIENCE,
    )
    with workers.running(copy) as batches:
        return list(batches)


def check(loader: Any, site: Site | None, say: Callable[[str], None]) -> tuple[list[Finding], str]:
    """Try in two real workers whether they draw the same random numbers."""
    if not loader.num_workers or batches.is_iterable(loader) or not loaders.length(loader):
        return [], ""
    say("random numbers of two workers")
    try:
        answer = ask(loader, 0)
    except Exception as problem:  # the user's dataset, in a worker
        return [], f"the workers' random numbers could not be tried: {batches.error_text(problem)}"
    told = "dataset[0], twice in each of two workers and two epochs"
    if not answer.random:
        return [], f"{told}: no random numbers in it"
    blame = [{"python": "random"}.get(each, each) for each in answer.blame]
    blame += [each.name for each in fetching.held_by(("dataset", loader.dataset))]
    whose = f" ({', '.join(blame)})" if blame else ""
    where = loaders.function_site(loader.worker_init_fn) or site
    return list(_findings(loader, answer, whose, where)), told


def _findings(loader: Any, answer: Answer, whose: str, site: Site | None) -> Iterator[Finding]:
    if answer.alike and loader.num_workers > 1:
        yield Finding(
            severity="error",
            sites=sited(root=site),
            message=f"the workers draw the same random numbers{whose}: augmentation repeats "
            f"itself {loader.num_workers} times.",
            evidence="dataset[0] came out the same in workers 0 and 1, and another when it was "
            "fetched a second time.",
            fix="Seed each worker by itself: worker_init_fn=lambda _: "
            "numpy.random.seed(torch.initial_seed() % 2**32), and make a generator that the "
            "dataset holds there, too.",
        )
    if answer.again and not loader.persistent_workers:
        yield Finding(
            severity="error",
            sites=sited(root=site),
            message=f"each epoch draws the same random numbers again{whose}.",
            evidence="two epochs that began with different seeds made the same samples.",
            fix="Workers restart in each epoch with a copy of the dataset: seed from "
            "torch.initial_seed(), which differs, and not with a constant.",
        )
