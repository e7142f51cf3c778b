"""The order in which a loader visits its dataset: which indices make up batch N of an epoch.

An epoch is rebuilt, in a copy of the program, from the state that the generators had when it
began: the sampler is asked again, the same number of times. No sample is fetched. Where an epoch
began unseen, torch's own samplers still hold the order that they have drawn.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable, Iterator
from itertools import islice
from types import GeneratorType
from typing import Any

from torch.utils.data import DataLoader
from torch.utils.data import sampler as samplers

from gradrepl.engine import torch_private
from gradrepl.engine.data import fetching

Indices = list[Any]
kept: list[Any] = []
"""In a copy of the program: the iterators of the program's, which ``gc`` does not list any more."""


class Epoch:
    """One epoch of a loader, from the generators' state before it began."""

    def __init__(self, loader: Any, *, again: bool = False) -> None:
        self.again = again
        """It is a further epoch of persistent workers: they are not seeded again."""
        self._states = fetching.States(fetching.of_order(loader))

    def batches(self, loader: Any, first: int, count: int) -> list[Indices]:
        """Return the indices of ``count`` batches from number ``first`` on."""
        order, _ = self.begin(loader)
        return [indices_of(each) for each in islice(order, first, first + count)]

    def base_seed(self, loader: Any) -> int | None:
        """Return the seed from which the workers were seeded; None in a further epoch of them."""
        return None if self.again else self.begin(loader)[1]

    def begin(self, loader: Any) -> tuple[Iterator[Any], int | None]:
        """Do the begin again as ``_BaseDataLoaderIter`` does it: return the order, and the seed."""
        self.put_back()
        order, seed = iter(loader._index_sampler), None
        if not self.again:
            seed = fetching.base_seed_of(loader)
            if loader.num_workers:
                order = iter(loader._index_sampler)  # _reset does it once more
        return order, seed

    def put_back(self) -> None:
        """Have all generators as they were before the epoch began."""
        self._states.put_back()


def shown(indices: Iterable[Any]) -> tuple[str, ...]:
    """Return indices as they are shown.

    >>> shown([3, "cat.png"])
    ('3', "'cat.png'")
    """
    return tuple(repr(index)[:60] for index in indices)


def indices_of(drawn: Any) -> Indices:
    """Return what a sampler yielded as a list of indices."""
    return list(drawn) if isinstance(drawn, (list, tuple)) else [drawn]


# -- an epoch that began unseen ----------------------------------------------------------------


def iterators(loader: Any) -> list[Any]:
    """Return the iterators of ``loader`` that are alive, those that go on last."""
    kept = getattr(loader, "_iterator", None)
    alive = [
        each
        for each in all_iterators()
        if vars(each).get("_index_sampler") is loader._index_sampler
        and vars(each).get("_num_workers") == loader.num_workers
    ]
    if kept is not None and all(each is not kept for each in alive):
        alive.append(kept)
    return sorted(alive, key=lambda each: bool(vars(each).get("_num_yielded", 0)))


def all_iterators() -> list[Any]:
    """Return the iterators of all loaders that are alive."""
    kind = torch_private.LoaderIterator
    # by type(): isinstance asks __class__, which may be code of the user's
    return [*kept, *(each for each in gc.get_objects() if issubclass(type(each), kind))]


_nameless: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def loader_of(iterator: Any) -> Any:
    """Return a loader like that of a running iterator, which has no name and may be gone."""
    if iterator not in _nameless:
        known = vars(iterator)
        sampler, settings = known["_index_sampler"], {"collate_fn": known["_collate_fn"]}
        if known["_dataset_kind"] == 1:
            settings |= {"batch_size": getattr(sampler, "batch_size", None)}
            settings |= {"drop_last": known["_drop_last"]}
        elif known["_auto_collation"]:
            settings |= {"batch_sampler": sampler}
        else:
            settings |= {"batch_size": None, "sampler": sampler}
        made = _nameless[iterator] = DataLoader(known["_dataset"], **settings)
        for name in ("num_workers", "pin_memory", "timeout", "prefetch_factor"):
            vars(made)[name] = known.get(f"_{name}", vars(made)[name])
    return _nameless[iterator]


def drawn_by(iterator: Any) -> list[Indices] | None:
    """Return all batches of the epoch that ``iterator`` is in, or None where that is not known.

    Torch's samplers draw an epoch at once and then hand it out: a generator of theirs that waits
    holds the list.
    """
    sampler, waiting = iterator._index_sampler, iterator._sampler_iter
    if not iterator._auto_collation:
        whole = _whole(waiting, sampler)
        return None if whole is None else [[index] for index in whole]
    if type(sampler) in (list, tuple):
        return [indices_of(each) for each in sampler]
    if type(sampler) is not samplers.BatchSampler:
        return None
    inner = waiting.gi_frame.f_locals.get("sampler_iter") if _waits(waiting) else None
    whole = _whole(inner, sampler.sampler)
    return None if whole is None else _in_batches(whole, sampler.batch_size, sampler.drop_last)


def _in_batches(whole: Indices, size: int, drop_last: bool) -> list[Indices]:
    batches = [whole[at : at + size] for at in range(0, len(whole), size)]
    if drop_last and batches and len(batches[-1]) < size:
        batches.pop()
    return batches


def _waits(generator: Any) -> bool:
    """Is this a generator that has not come to its end?"""
    return isinstance(generator, GeneratorType) and generator.gi_frame is not None


def samples_of(indices: Indices) -> Indices:
    """Return the same with the indices that a list of them, as one index, stands for.

    >>> samples_of([3, [4, 5]])
    [3, 4, 5]
    """
    lists = (each if type(each) is list else [each] for each in indices)
    return [index for each in lists for index in each]


def _whole(waiting: Any, sampler: Any) -> Indices | None:
    """Return all that a sampler's iterator hands out in this epoch, what is over included."""
    if type(sampler) is samplers.SequentialSampler and type(waiting) is type(iter(range(0))):
        known: Any = waiting.__reduce__()[1]
        return list(range(known[0].stop))
    if not _waits(waiting):
        return None
    at_once = type(sampler) is samplers.WeightedRandomSampler or (
        type(sampler) is samplers.RandomSampler
        and not sampler.replacement
        and sampler.num_samples <= len(sampler.data_source)
    )
    source: Any = waiting.gi_yieldfrom
    if not at_once or type(source) is not type(iter([])):
        return None
    arguments: Any = source.__reduce__()[1]
    drawn = arguments[0] if arguments else None
    return list(drawn) if isinstance(drawn, list) and drawn else None
