"""What is wrong with what a loader hands out: its order, its batches; each with what was seen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from torch import nn
from torch.utils.data import sampler as samplers

from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.data import batches, fetching, loaders, odd, order
from gradrepl.engine.data.epoch_log import VISITS
from gradrepl.engine.data.order import Epoch
from gradrepl.model import Finding, SampleRow, Site, sited

FEW = 8
"""Labels from which on their order says something."""
BATCHES, SECONDS = 64, 1.0
"""Batches that are made, and time for it."""
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Checked(NamedTuple):
    """What a check works on."""

    loader: Any
    name: str
    rows: list[SampleRow]
    """Samples spread over the dataset, in its order."""
    visits: Counter[Any] | None
    """How often one epoch visits each index; None where that was not counted."""
    models: list[tuple[str, nn.Module]]
    others: list[tuple[str, Any]]
    """The loaders in scope."""
    site: Site | None
    random: bool
    """Was a sample another when it was fetched again?"""

    def finding(self, severity: str, message: str, evidence: str, fix: str = "") -> Finding:
        """Return what was found, at the line that makes the loader."""
        return Finding(
            severity=severity,
            sites=sited(root=self.site),
            message=message,
            evidence=evidence,
            fix=fix,
        )

    @property
    def size(self) -> int:
        """Samples of the dataset; 0 where it does not say."""
        return loaders.length(self.loader) or 0

    @property
    def replaces(self) -> bool:
        """Does the sampler draw with replacement?"""
        sampler = getattr(self.loader.batch_sampler, "sampler", None) or self.loader.sampler
        return bool(getattr(sampler, "replacement", False))

    def labels(self) -> list[tuple[int, str]]:
        """Return (label, index) of the samples whose label is a whole number."""
        rows = (row for row in self.rows if row.label.lstrip("-").isdecimal())
        return [(int(row.label), row.index) for row in rows]


def visits_of(loader: Any) -> tuple[Counter[Any] | None, str]:
    """Count how often an epoch visits each index; say what was looked at for it."""
    size = loaders.length(loader)
    if batches.is_iterable(loader) or not size:
        return None, ""
    if size > VISITS:
        return None, f"the order of {size} samples was not counted"
    try:
        drawn = Epoch(loader).batches(loader, 0, VISITS)
        visits = Counter(index for each in drawn for index in order.samples_of(each))
    except TypeError:  # indices that cannot be counted
        return None, ""
    return visits, f"the order of one epoch: {visits.total()} visits"


def visits(checked: Checked) -> Iterator[Finding]:
    """Find indices that the dataset does not have, that come twice, and that never come."""
    size, visits = checked.size, checked.visits
    if visits is None:
        return
    outside = [each for each in visits if isinstance(each, int) and not -size <= each < size]
    if outside:
        yield checked.finding(
            "error",
            f"the sampler gives index {outside[0]!r}, and the dataset has {size} samples.",
            f"{len(outside)} indices are outside.",
            "Give the sampler the length of the dataset that the loader has.",
        )
    repeated = [each for each, count in visits.items() if count > 1]
    if repeated:
        yield _repeated(checked, repeated, visits)
    missing = size - len(visits) + len(outside)
    if missing > 0:
        yield _missing(checked, missing, visits)


def _repeated(checked: Checked, repeated: list[Any], visits: Counter[Any]) -> Finding:
    example, replaces = max(repeated, key=lambda each: visits[each]), checked.replaces
    why = f"index {example!r} comes {visits[example]} times."
    return checked.finding(
        "note" if replaces else "warning",
        f"{len(repeated)} indices come more than once in an epoch.",
        f"{why} The sampler draws with replacement." if replaces else why,
        "" if replaces else "Look at how the sampler or the list of indices is made.",
    )


def _missing(checked: Checked, missing: int, visits: Counter[Any]) -> Finding:
    loader, size = checked.loader, checked.size
    repeated = visits.total() > len(visits)
    smallest = 0 if repeated else loaders.batch_size(loader) or 0
    dropped = bool(loader.drop_last) and missing < smallest
    intended = dropped or checked.replaces
    why = f"index {next(n for n in range(size) if n not in visits)} is one of them."
    drops = " drop_last leaves out the last batch, which is smaller." if dropped else ""
    return checked.finding(
        "note" if intended else "warning",
        f"{missing} of {size} samples are not visited in an epoch.",
        why + drops,
        "" if intended else "Look at how the sampler or the indices are made.",
    )


def in_order(checked: Checked) -> Iterator[Finding]:
    """Find labels that lie in order while nothing shuffles."""
    inner = getattr(checked.loader.batch_sampler, "sampler", None)
    labels = [label for label, _ in checked.labels()]
    rises = all(a <= b for a, b in pairwise(labels))
    several = len(labels) >= FEW and len(set(labels)) > 1
    if isinstance(inner, samplers.SequentialSampler) and several and rises:
        yield checked.finding(
            "warning",
            "nothing shuffles, and the labels lie in order: batches have one label each.",
            f"of {len(labels)} labels spread over the dataset none is smaller than the one "
            f"before: they go from {labels[0]} to {labels[-1]}.",
            "shuffle=True, if this loader trains.",
        )


def last_batch(checked: Checked) -> Iterator[Finding]:
    """Find a last batch of one sample before a BatchNorm that trains."""
    size, count = loaders.batch_size(checked.loader), _visited(checked.loader)
    training = (
        (".".join(filter(None, (root_name, path))), module)
        for root_name, root in checked.models
        for path, module in root.named_modules()
        if isinstance(module, NORMS) and module.training
    )
    name, norm = next(training, ("", None))
    if norm is not None and size and count and size > 1 and count % size == 1:
        kind = type(norm).__name__
        yield checked.finding(
            "error",
            f"the last batch has 1 sample, and {kind} '{name or kind}' is in training mode: "
            "it has no variance to work with.",
            f"{count} samples in batches of {size} leave 1.",
            "drop_last=True, or another batch_size.",
        )


def lists(checked: Checked) -> Iterator[Finding]:
    """Find a sampler of batches in the place of one of indices."""
    loader = checked.loader
    if isinstance(loader.sampler, samplers.BatchSampler) and loader.batch_size is not None:
        yield checked.finding(
            "error",
            "the sampler is a BatchSampler: the dataset gets a list in the place of each index, "
            f"and {loader.batch_size} of these lists are a batch.",
            "batches then have a dimension more than samples have.",
            "batch_sampler= in the place of sampler= and batch_size=.",
        )


def collates(checked: Checked) -> Iterator[Finding]:
    """Find a batch that cannot be made of its samples, or that is None."""
    loader, end = checked.loader, time.monotonic() + SECONDS
    if batches.is_iterable(loader) or not loader._auto_collation:
        return
    for number, indices in enumerate(Epoch(loader).batches(loader, 0, BATCHES)):
        fetched = fetching.fetch(loader.dataset, indices)
        made, error = batches.collated(loader, fetched)
        nothing = not error and [(part.key, part.kind) for part in made] == [("", "None")]
        if error or nothing:
            rows = batches.rows_of(fetched, None)
            why = batches.problem(rows, odd.find(rows, strict=True), error)
            yield checked.finding(
                "error",
                f"batch {number} cannot be made of its samples."
                if error
                else f"collate_fn makes None of batch {number}.",
                why or f"its indices are {', '.join(order.shown(indices[:8]))}.",
                f"':batch {number}' looks at it.",
            )
            return
        if time.monotonic() > end:
            return


def _visited(loader: Any) -> int | None:
    """Return how many samples torch's own batch sampler hands out, the last ones included."""
    if type(loader.batch_sampler) is not samplers.BatchSampler or loader.drop_last:
        return None
    try:
        return len(loader.batch_sampler.sampler)  # type: ignore[arg-type]
    except USER_ERRORS:  # the user's sampler
        return None
