"""DataLoaders as they were made: what their sampler, their workers and their dataset tell."""

from __future__ import annotations

import io
from types import CodeType
from typing import Any

import torch
from torch.utils import data

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Rule
from gradrepl.engine.code import frames
from gradrepl.engine.code.values import attributes
from gradrepl.engine.explain import source
from gradrepl.engine.explain.source import at
from gradrepl.model import Site, sited

PLAIN = (int, float, str, bool, bytes, type(None))
GENERATORS = frozenset(["Generator", "RandomState", "Random"])
"""Kinds of random number generators, of numpy, torch and Python."""
READS = {"seek", "read", "readline", "readinto"}


class Loaders(Rule):
    """Judges each loader when a loop over it begins."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._made = checker.made
        self._sent: dict[int, dict[str, Any]] = {}
        """By identity of a loader with workers that persist: what its dataset was like then."""
        checker.made.listen("DataLoader.__iter__", self._loop)

    def _loop(self, loader: Any, args: tuple[Any, ...], sites: tuple[Site, ...]) -> None:
        self._made.looped(loader)
        self._sampler(loader)
        if loader.num_workers and frames.of_user(_code(loader.dataset).co_filename):
            if loader.worker_init_fn is None:
                self._workers(loader, loader.num_workers)
            if loader.persistent_workers:
                self._stale(loader)

    def _sampler(self, loader: Any) -> None:
        sampler, site = loader.sampler, self._made.site(loader)
        if isinstance(sampler, data.WeightedRandomSampler):
            size, weights = _size(loader.dataset), len(sampler.weights)
            own = self._made.site(sampler)
            if weights < size:
                self._checker.report(
                    "sampler-weights",
                    f"WeightedRandomSampler has {weights} weights for {size} samples{at(own)}: only"
                    f" indices 0 to {weights - 1} are ever drawn.",
                    (*source.targets(own), "sampler", *source.targets(site)),
                    sites=sited(root=own or site, loader=site),
                )
        if isinstance(sampler, data.BatchSampler) and loader.batch_size is not None:
            self._checker.report(
                "loader-arguments",
                f"a BatchSampler is given as sampler{at(site)}: each of its lists is taken for the"
                " index of one sample.",
                ("sampler", *source.targets(site)),
                sites=sited(root=site),
            )

    def _workers(self, loader: Any, workers: int) -> None:
        dataset, site = loader.dataset, self._made.site(loader)
        kind, words = type(dataset).__name__, _words(_code(dataset))
        if workers < 2:
            return
        if isinstance(dataset, data.IterableDataset):
            if "get_worker_info" not in words:
                self._checker.report(
                    "duplicate-samples",
                    f"each of the {workers} workers goes through the whole {kind}: every sample"
                    f" comes {workers} times{at(site)}.",
                    (kind, *source.targets(site)),
                    sites=sited(root=site, dataset=source.code_line(_code(dataset))),
                )
            return
        context = loader.multiprocessing_context
        if context is not None and context.get_start_method() != "fork":
            return
        for name, value in attributes(dataset).items():
            if name in words:
                self._copied(loader, name, value, words)

    def _copied(self, loader: Any, name: str, value: Any, words: set[str]) -> None:
        """Judge what each worker has a copy of: a generator, or an open file."""
        dataset, site = loader.dataset, self._made.site(loader)
        of, opened = f"{name} of {type(dataset).__name__}", _set_at(dataset, name)
        if type(value).__name__ in GENERATORS:
            rule = "worker-rng"
            what = f"have a copy each of the generator {of}{at(opened)}: all draw the same numbers"
        elif isinstance(value, io.IOBase) and words & READS:
            rule = "shared-handle"
            what = (
                f"share one open file ({of}{at(opened)}) and its position: one reads where another"
                " has just gone to"
            )
        else:
            return
        self._checker.report(
            rule,
            f"the {loader.num_workers} workers {what}.",
            (f"dataset.{name}", f"self.{name}", name, *source.targets(site)),
            sites=sited(root=opened or site, loader=site),
        )

    def _stale(self, loader: Any) -> None:
        """Has the dataset changed since the workers, which persist, have got their copies?"""
        site, words = self._made.site(loader), _words(_code(loader.dataset))
        now = {name: _state(value) for name, value in attributes(loader.dataset).items()}
        then = self._sent.setdefault(id(loader), now)
        for name, value in now.items():
            if name in words and then.get(name, value) != value:
                self._checker.report(
                    "stale-workers",
                    f"{name} of the dataset has changed since the workers of the loader{at(site)}"
                    " started, and they persist: they hold the dataset as it was then.",
                    (f"dataset.{name}", name, "data", "dataset", *source.targets(site)),
                    sites=sited(root=site),
                )


def _code(dataset: Any) -> CodeType:
    """Return what gives the samples: ``__getitem__``, or ``__iter__``."""
    streams = isinstance(dataset, data.IterableDataset)
    names = ["__iter__"] if streams else ["__getitems__", "__getitem__", "__iter__"]
    found = (getattr(getattr(type(dataset), name, None), "__code__", None) for name in names)
    return next(filter(None, found), _code.__code__)


def _state(value: Any) -> Any:
    """Return what tells whether a value has changed, as far as that is cheap."""
    if isinstance(value, torch.Tensor):
        if value.is_shared():  # type: ignore[no-untyped-call]
            return None
        return id(value), value._version
    if isinstance(value, (list, dict, set)):
        return id(value), len(value)
    return value if type(value) in PLAIN else None


def _size(dataset: Any) -> int:
    try:
        return len(dataset)
    except (TypeError, NotImplementedError):
        return 0


def _words(code: CodeType) -> set[str]:
    """Return the names that a function uses, those inside of it included."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return {*code.co_names, *code.co_freevars, *(name for each in inner for name in _words(each))}


def _set_at(dataset: Any, name: str) -> Site | None:
    code = getattr(type(dataset).__init__, "__code__", None)
    if code is None:
        return None
    return source.assignment(code.co_filename, code.co_firstlineno, f"self.{name}")
