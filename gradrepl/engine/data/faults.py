"""What is wrong with a loader though nothing is raised: each finding with what was seen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn
from torch.utils.data import Subset
from torch.utils.data import sampler as samplers

from gradrepl import model
from gradrepl.engine.data import batches, fetching, generators, loaders, odd, room, streams
from gradrepl.engine.data.order import Epoch
from gradrepl.engine.progress import Telling
from gradrepl.errors import StateError
from gradrepl.model import Finding, SampleRow, Site

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

VISITS = 2_000_000
"""Indices of an epoch that are counted."""
FEW = 8
"""Labels from which on their order says something."""
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class Looked(NamedTuple):
    """What a check works on."""

    loader: Any
    name: str
    rows: list[SampleRow]
    """Samples spread over the dataset, in its order."""
    models: list[tuple[str, nn.Module]]
    others: list[tuple[str, Any]]
    """The loaders in reach."""
    site: Site | None
    random: bool
    """Was a sample another when it was fetched again?"""


def check(
    loader: Any, name: str, session: Session, place: Place, most: int, seconds: float
) -> model.LoaderCheck:
    """Look for all that is known to go wrong in silence; says how much was looked at.

    Ctrl-C ends it with what there is.
    """
    begun = time.monotonic()
    found: list[Finding] = []
    looked: list[str] = []
    count = min(loaders.length(loader) or most, most)
    with Telling(session, f"check {name}", count, "samples") as telling:
        _look(loader, name, session, place, most, seconds, telling, found, looked)
    if telling.interrupted:
        looked.append("stopped before the end")
    order = {"error": 0, "warning": 1, "note": 2}
    return model.LoaderCheck(
        name=name, findings=tuple(sorted(found, key=lambda each: order[each.severity])),
        looked_at=tuple(filter(None, looked)), seconds=time.monotonic() - begun,
    )  # fmt: skip


def _look(
    loader: Any, name: str, session: Session, place: Place, most: int, seconds: float,
    telling: Telling, found: list[Finding], looked: list[str],
) -> None:  # fmt: skip
    """Fill in what was found, and what was looked at."""
    site = loaders.site_of(name, session, place)
    rows, told = _samples(loader, most, seconds, telling)
    looked.append(told)
    if telling.stopped:
        return
    given = {"loader": loader, "site": site, "say": lambda what: telling.at(len(rows), what)}
    for _, (more, told) in session.observers.plugins.call("gradrepl_loader_check", **given):
        found += more
        looked.append(told)
    telling.at(len(rows), "visits of one epoch")
    models = [(prefix.strip("."), root) for prefix, root in session.names(place.frame).roots]
    others = room.loaders(session, place)
    all_of_it = Looked(loader, name, rows, models, others, site, _random(loader))
    visits, told = _visits(all_of_it)
    found += visits
    looked.append(told)
    found += [each for look in LOOKS for each in look(all_of_it)]


def _samples(
    loader: Any, most: int, seconds: float, telling: Telling
) -> tuple[list[SampleRow], str]:
    """Fetch samples spread over the dataset, within a time."""
    if batches.is_iterable(loader):
        return _stream(loader, most, seconds, telling)
    size = loaders.length(loader) or 0
    count = min(size, most)
    wanted = sorted({(n * (size - 1)) // max(1, count - 1) for n in range(count)})
    fetched = []
    end = time.monotonic() + seconds
    worker = 0 if loader.num_workers else None
    with (
        generators.aside(generators.of_loader(loader)),
        fetching.as_worker(loader, worker, None),
    ):
        for index in wanted:
            fetched.append(fetching.one(loader.dataset, index))
            telling.at(len(fetched))
            if time.monotonic() > end or telling.stopped:
                break
    return batches.rows_of(fetched, None), f"{len(fetched)} of {size} samples"


def _stream(
    loader: Any, most: int, seconds: float, telling: Telling
) -> tuple[list[SampleRow], str]:
    ours = streams.Streams(loader)
    fetched: list[fetching.Fetched] = []
    end = time.monotonic() + seconds
    while len(fetched) < most and time.monotonic() < end and not telling.stopped:
        telling.at(len(fetched))
        found, _ = ours.next(loader)
        fetched += found
        if not found:
            break
    return batches.rows_of(fetched, None), f"the first {len(fetched)} samples of the stream"


def _random(loader: Any) -> bool:
    """Is a sample another when it is fetched again?"""
    if batches.is_iterable(loader) or not loaders.length(loader):
        return False
    held = generators.of_loader(loader)
    with (
        generators.aside(held) as before,
        fetching.as_worker(loader, 0 if loader.num_workers else None, None),
    ):
        fetching.one(loader.dataset, 0)
        return bool(before.changed())



def _shared(looked: Looked) -> Iterator[Finding]:
    """Find loaders that share one dataset though it augments."""
    if not looked.random:
        return
    mine = _root(looked.loader.dataset)
    for name, other in looked.others:
        if other is not looked.loader and _root(other.dataset) is mine:
            yield Finding(
                severity="warning", site=looked.site,
                what=f"{looked.name} and {name} read one {type(mine).__name__}, which augments.",
                why="It is the same object behind both, and drawing a sample draws random numbers: "
                "what is meant for training is done to the other, too.",
                do="Make two datasets, one without the augmenting transforms, and split both with "
                "the same indices.",
            )  # fmt: skip


def _root(dataset: Any) -> Any:
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return dataset


# -- order -------------------------------------------------------------------------------------


def _visits(looked: Looked) -> tuple[list[Finding], str]:
    """Count how often an epoch visits each index."""
    loader, size = looked.loader, loaders.length(looked.loader)
    if batches.is_iterable(loader) or not size:
        return [], ""
    if size > VISITS:
        return [], f"the order of {size} samples was not counted"
    try:
        drawn = Epoch(loader).batches(loader, 0, VISITS)
    except StateError as error:
        return [], f"the order was not looked at: {error}"
    try:
        times = Counter(index for each in drawn for index in each)
    except TypeError:  # indices that are lists
        return [], ""
    found = list(_counted(looked, times, size))
    return found, f"the order of one epoch: {sum(times.values())} visits"


def _counted(looked: Looked, times: Counter[Any], size: int) -> Iterator[Finding]:
    loader, site = looked.loader, looked.site
    outside = [each for each in times if isinstance(each, int) and not -size <= each < size]
    if outside:
        yield Finding(
            severity="error", site=site, what=f"the sampler gives index {outside[0]!r}, and the "
            f"dataset has {size} samples.", why=f"{len(outside)} indices are outside.",
            do="Give the sampler the length of the dataset that the loader has.",
        )  # fmt: skip
    inner = getattr(loader.batch_sampler, "sampler", None) or loader.sampler
    meant = bool(getattr(inner, "replacement", False))
    twice = [each for each, count in times.items() if count > 1]
    missing = size - len(times) + len(outside)
    severity = "note" if meant else "warning"
    if twice:
        example = max(twice, key=lambda each: times[each])
        yield Finding(
            severity=severity, site=site, what=f"{len(twice)} indices come more than once in an "
            "epoch.", why=f"index {example!r} comes {times[example]} times."
            + (" The sampler draws with replacement." if meant else ""),
            do="" if meant else "Look at how the sampler or the list of indices is made.",
        )  # fmt: skip
    if missing > 0:
        dropped = (
            bool(loader.drop_last) and not twice and missing < (loaders.batch_size(loader) or 0)
        )
        absent = next(n for n in range(size) if n not in times)
        why = f"index {absent} is one of them."
        if dropped:
            why += " drop_last leaves out the last batch, which is smaller."
        yield Finding(
            severity="note" if dropped else severity, site=site,
            what=f"{missing} of {size} samples are not visited in an epoch.", why=why,
            do="" if dropped or meant else "Look at how the sampler or the indices are made.",
        )  # fmt: skip


def _sorted(looked: Looked) -> Iterator[Finding]:
    """Find labels that lie in order while nothing shuffles."""
    inner = getattr(looked.loader.batch_sampler, "sampler", None)
    if not isinstance(inner, samplers.SequentialSampler):
        return
    labels = [int(row.label) for row in looked.rows if row.label.lstrip("-").isdecimal()]
    rises = all(a <= b for a, b in pairwise(labels))
    if len(labels) < FEW or len(set(labels)) < 2 or not rises:
        return
    yield Finding(
        severity="warning", site=looked.site,
        what="nothing shuffles, and the labels lie in order: batches have one label each.",
        why=f"of {len(labels)} labels spread over the dataset none is smaller than the one before: "
        f"they go from {labels[0]} to {labels[-1]}.",
        do="shuffle=True, if this loader trains.",
    )  # fmt: skip


def _last_batch(looked: Looked) -> Iterator[Finding]:
    """Find a last batch of one sample before a BatchNorm that trains."""
    loader = looked.loader
    size, outer = loaders.batch_size(loader), loader.batch_sampler
    if type(outer) is not samplers.BatchSampler or loader.drop_last or not size or size == 1:
        return
    try:
        count = len(outer.sampler)  # type: ignore[arg-type]
    except Exception:  # the user's sampler
        return
    if count % size != 1:
        return
    for root_name, root in looked.models:
        for path, module in root.named_modules():
            if isinstance(module, NORMS) and module.training:
                where = ".".join(filter(None, (root_name, path))) or type(module).__name__
                yield Finding(
                    severity="error", site=looked.site,
                    what=f"the last batch has 1 sample, and {type(module).__name__} '{where}' is "
                    "in training mode: it has no variance to work with.",
                    why=f"{count} samples in batches of {size} leave 1.",
                    do="drop_last=True, or another batch_size.",
                )  # fmt: skip
                return


# -- values ------------------------------------------------------------------------------------


def _values(looked: Looked) -> Iterator[Finding]:
    """Say of odd samples how many there are, and name the first of a kind."""
    several = {"nan": "NaN", "inf": "Inf"}
    by_kind: dict[str, list[Any]] = {}
    for each in odd.find(looked.rows):
        by_kind.setdefault(each.what, []).append(each)
    for what, found in by_kind.items():
        if what in ("slow", "constant", "duplicate"):
            continue
        count = len({each.place for each in found})
        severity = "error" if what in ("nan", "inf", "raises") else "warning"
        word = several.get(what, what)
        yield Finding(
            severity=severity, what=f"{count} of {len(looked.rows)} samples: {word}.",
            why=found[0].sentence, do=f"':sample {found[0].index}' looks at it.",
        )  # fmt: skip


def _wide(looked: Looked) -> Iterator[Finding]:
    """Find float64 where the model works in float32."""
    keys = [
        part.key
        for row in looked.rows[:1]
        for part in row.parts
        if part.dtype == "float64" and part.shape
    ]
    narrow = [
        name
        for name, root in looked.models
        if any(p.is_floating_point() and p.element_size() < 8 for p in root.parameters())
    ]
    for key in keys:
        beside = f", and '{narrow[0] or 'the model'}' is not" if narrow else ""
        yield Finding(
            severity="warning", what=f"part '{key}' of a sample is float64{beside}.",
            why=f"{looked.name}'s first sample; NumPy's own default is float64.",
            do="torch.as_tensor(x, dtype=torch.float32), or array.astype(numpy.float32).",
        )  # fmt: skip


def _beyond(looked: Looked) -> Iterator[Finding]:
    """Find labels that the last layer of the only model has no output for."""
    if len(looked.models) != 1:
        return
    ((name, root),) = looked.models
    last = [m for m in root.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    labels = [
        (int(row.label), row.index) for row in looked.rows if row.label.lstrip("-").isdecimal()
    ]
    if not last or not labels:
        return
    outputs = last[-1].out_features if isinstance(last[-1], nn.Linear) else last[-1].out_channels
    bad = [pair for pair in labels if not (0 <= pair[0] < outputs or pair[0] == -100)]
    if bad and outputs > 1:
        yield Finding(
            severity="error",
            what=f"label {bad[0][0]} is out of range: the last layer of {name or 'the model'} has "
            f"{outputs} outputs, for labels 0 to {outputs - 1}.",
            why=f"dataset[{bad[0][1]}] and {len(bad) - 1} more of {len(labels)} that were looked "
            "at.",
            do="Give the layer an output for each class, or count classes from 0.",
        )  # fmt: skip


LOOKS: tuple[Callable[[Looked], Iterator[Finding]], ...] = (
    _values, _wide, _beyond, _sorted, _last_batch, _shared,
)  # fmt: skip
