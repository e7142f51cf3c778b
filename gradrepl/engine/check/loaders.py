"""DataLoaders as they were made: what their sampler, their workers and their dataset tell."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import CodeType
from typing import Any

from torch.utils import data

from gradrepl.engine.check import source
from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Rule
from gradrepl.engine.code import frames
from gradrepl.engine.code.values import attributes
from gradrepl.model import Finding, Site, sited

PLAIN = (int, float, str, bool, bytes, type(None))


class Loaders(Rule):
    """Judges each loader when a loop over it begins."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._sent: dict[int, dict[str, Any]] = {}
        """By identity of a loader with workers that persist: what its dataset was like then."""
        self._names: dict[int, str] = {}
        checker.made.listen("DataLoader.__iter__", self._loop)

    def _loop(self, loader: Any, args: tuple[Any, ...], sites: tuple[Site, ...]) -> None:
        self._checker.looped = loader
        made = self._checker.made.of(loader)
        site = next((each for each in made), None)
        names = source.targets(site)
        name = names[0] if names else "the loader"
        for finding in (*self._sampler(loader), *self._workers(loader), *self._stale(loader)):
            lines = finding.sites or sited(root=site)
            subjects = tuple(dict.fromkeys((*finding.subjects, name)))
            self._checker.report(_with(finding, sites=lines, subjects=subjects))

    def _sampler(self, loader: Any) -> Iterator[Finding]:
        sampler, dataset = loader.sampler, loader.dataset
        made = self._checker.made
        if isinstance(sampler, data.WeightedRandomSampler):
            size, weights = _size(dataset), len(sampler.weights)
            if size and weights < size:
                names = source.targets(made.site(sampler))
                yield Finding(
                    rule="sampler-weights",
                    severity="error",
                    message=f"WeightedRandomSampler has {weights} weights for {size} samples: only"
                    f" indices 0 to {weights - 1} are ever drawn.",
                    sites=sited(root=made.site(sampler), loader=made.site(loader)),
                    subjects=tuple(names) or ("sampler",),
                    fix="One weight for each sample: weights[labels].",
                )
        if isinstance(sampler, data.BatchSampler) and loader.batch_size is not None:
            yield Finding(
                rule="loader-arguments",
                severity="error",
                message="a BatchSampler is given as sampler: each of its lists is taken for the"
                " index of one sample.",
                subjects=("sampler",),
                fix="DataLoader(dataset, batch_sampler=...)",
            )

    def _workers(self, loader: Any) -> Iterator[Finding]:
        dataset, workers = loader.dataset, loader.num_workers
        if not workers or loader.worker_init_fn is not None or not _own(dataset):
            return
        if isinstance(dataset, data.IterableDataset):
            if workers > 1 and "get_worker_info" not in _words(type(dataset).__iter__.__code__):
                yield Finding(
                    rule="duplicate-samples",
                    severity="error",
                    message=f"each of the {workers} workers goes through the whole"
                    f" {type(dataset).__name__}: every sample comes {workers} times.",
                    subjects=(type(dataset).__name__,),
                    fix="Share the samples out in __iter__ by torch.utils.data.get_worker_info().",
                )
            return
        words = _words(getattr(type(dataset).__getitem__, "__code__", None))
        context = loader.multiprocessing_context
        forks = context is None or context.get_start_method() == "fork"
        for name, value in attributes(dataset).items():
            if workers > 1 and forks and isinstance(value, io.IOBase) and name in words:
                if words & {"seek", "read", "readline", "readinto"}:
                    yield self._handle(dataset, name, workers)

    def _handle(self, dataset: Any, name: str, workers: int) -> Finding:
        code = getattr(type(dataset).__init__, "__code__", None)
        site = (
            source.assignment(code.co_filename, code.co_firstlineno, f"self.{name}")
            if code
            else None
        )
        return Finding(
            rule="shared-handle",
            severity="error",
            message=f"the {workers} workers share one open file ({name} of {type(dataset).__name__})"
            " and its position: one reads where another has just gone to.",
            sites=sited(root=site),
            subjects=(f"dataset.{name}", f"self.{name}", name),
            fix="Open it in the worker: at the first __getitem__, or in worker_init_fn.",
        )

    def _stale(self, loader: Any) -> Iterator[Finding]:
        """Has the dataset changed since the workers, which persist, have got their copies?"""
        if not (loader.num_workers and loader.persistent_workers and _own(loader.dataset)):
            return
        now = {n: v for n, v in attributes(loader.dataset).items() if type(v) in PLAIN}
        then = self._sent.setdefault(id(loader), now)
        changed = [name for name, value in now.items() if then.get(name, value) != value]
        words = _words(getattr(type(loader.dataset).__getitem__, "__code__", None))
        for name in changed:
            if name in words:
                yield Finding(
                    rule="stale-workers",
                    severity="error",
                    message=f"{name} of the dataset has changed since the workers started, and they"
                    " persist: they hold the dataset as it was then.",
                    subjects=(f"dataset.{name}", name, "data", "dataset"),
                    fix="persistent_workers=False, or keep it where workers see it (shared memory).",
                )


def _own(dataset: Any) -> bool:
    """Is it of a class of the program's own?"""
    code = getattr(getattr(type(dataset), "__getitem__", None), "__code__", None)
    code = code or getattr(getattr(type(dataset), "__iter__", None), "__code__", None)
    return code is not None and frames.of_user(code.co_filename)


def _size(dataset: Any) -> int:
    try:
        return len(dataset)
    except (TypeError, NotImplementedError):
        return 0


def _words(code: CodeType | None) -> set[str]:
    """Return the names that a function uses, those inside of it included."""
    if code is None:
        return set()
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return {*code.co_names, *code.co_freevars, *(name for each in inner for name in _words(each))}


def _with(finding: Finding, **changes: Any) -> Finding:
    from msgspec.structs import replace

    return replace(finding, **changes)
