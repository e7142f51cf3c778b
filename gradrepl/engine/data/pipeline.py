"""A pipeline of transforms, timed step by step while one sample goes through it.

The dataset is not touched: a shallow copy of it has stand-ins in the place of its transforms.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

from gradrepl.engine.data import fetching, parts
from gradrepl.engine.data.fetching import Fetched, now
from gradrepl.model import Part, TransformStep

HOLDERS = ("transform", "transforms", "target_transform", "augment", "augmentation", "preprocess")
"""Attributes under which datasets keep what a sample goes through."""
MOST = 64


class Pipeline:
    """What was seen of each step."""

    def __init__(self) -> None:
        self.steps: list[TransformStep] = []
        self.looking = 0.0
        """Seconds spent on looking at what steps made."""
        self._bad = False

    def stand_in(self, step: Callable[..., Any], where: str) -> Callable[..., Any]:
        """Return what does the same as ``step`` and notes it."""

        def noted(*args: Any, **kwargs: Any) -> Any:
            entered = now()
            had = self._nans(args)
            begun = now()
            result = step(*args, **kwargs)
            ended = now()
            self._note(step, where, ended - begun, result, had)
            self.looking += begun - entered + now() - ended
            return result

        functools.update_wrapper(noted, step, ("__name__", "__doc__"), ())
        return noted

    def _note(
        self, step: Any, where: str, seconds: float, result: Any, had: int
    ) -> None:  # fmt: skip
        if len(self.steps) >= MOST:
            return
        found = parts.described(result)
        out = parts.main(found) or Part()
        nans = sum(p.stats.nans or 0 for p in found if p.stats is not None)
        first = bool(nans) and not had and not self._bad
        self._bad = self._bad or first
        name = getattr(step, "__name__", None) or type(step).__name__
        self.steps.append(
            TransformStep(
                name=str(name), where=where, seconds=seconds, out=out, nans=nans, first_nan=first
            )
        )

    def _nans(self, values: Any) -> int:
        found = parts.described(list(values))
        return sum(p.stats.nans or 0 for p in found if p.stats is not None)


def timed(dataset: Any, index: Any) -> tuple[Fetched, tuple[TransformStep, ...]]:
    """Return ``dataset[index]``, and the steps of its transforms where it has such.

    What looking at the steps' results took is not in the sample's time.
    """
    seen = Pipeline()
    watched = _watched(dataset, seen, "")
    if watched is None:
        return fetching.one(dataset, index), ()
    fetched = fetching.one(watched, index)
    taken = max(0.0, (fetched.seconds or 0.0) - seen.looking)
    return fetched._replace(seconds=taken), tuple(seen.steps)


def _watched(dataset: Any, seen: Pipeline, path: str) -> Any:
    """Return a copy of ``dataset`` whose transforms are noted; None where it has none."""
    if not isinstance(getattr(dataset, "__dict__", None), dict):
        return None
    if any("__del__" in vars(kind) for kind in type(dataset).__mro__):
        return None  # the copy's end would close what the dataset still uses
    changed: dict[str, Any] = {}
    for name, value in list(vars(dataset).items()):
        where = f"{path}.{name}" if path else name
        if name in HOLDERS and value is not None:
            stand_in = _transform(value, seen, where)
            if stand_in is not None:
                changed[name] = stand_in
        elif name == "dataset" and hasattr(value, "__getitem__"):
            inner = _watched(value, seen, where)
            if inner is not None:
                changed[name] = inner
    if not changed:
        return None
    made = copy.copy(dataset)
    vars(made).update(changed)
    return made


def _transform(value: Any, seen: Pipeline, where: str) -> Any:
    """Return a stand-in of a transform, of a list of them, or of what holds such a list."""
    if isinstance(value, (list, tuple)) and value and all(map(callable, value)):
        found = [seen.stand_in(each, f"{where}[{n}]") for n, each in enumerate(value)]
        return type(value)(found) if type(value) in (list, tuple) else None
    held = getattr(value, "__dict__", {}).get("transforms")
    if isinstance(held, (list, tuple)) and held and all(map(callable, held)):
        made = copy.copy(value)
        vars(made)["transforms"] = _transform(held, seen, f"{where}.transforms")
        return made
    return seen.stand_in(value, where) if callable(value) else None
