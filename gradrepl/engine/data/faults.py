"""What is wrong with a loader though nothing is raised: each finding with what was seen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn
from torch.utils.data import Subset
from torch.utils.data import sampler as samplers

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.data import apart, batches, current_loader, fetching, loaders, odd, order
from gradrepl.engine.data.epoch_log import VISITS
from gradrepl.engine.data.order import Epoch
from gradrepl.engine.plugged import Plugged
from gradrepl.engine.progress import Telling
from gradrepl.model import Finding, SampleRow, Site, sited

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

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


@on(p.CheckLoader)
def _(request: p.CheckLoader, session: Session, place: Place) -> Answer:
    """Look for all that is known to go wrong in silence; says how much was looked at.

    Ctrl-C ends it with what there is.
    """
    loader, name = current_loader.find_loader(request.expression, session, place)

    def checked() -> model.LoaderCheck:
        with session.grad_as_typed(place):
            return _check(loader, name, request, session, place)

    return apart.answered(session, place, checked)


def _check(
    loader: Any, name: str, request: p.CheckLoader, session: Session, place: Place
) -> model.LoaderCheck:
    begun = time.monotonic()
    findings: list[Finding] = []
    looked_at: list[str] = []
    count = min(loaders.length(loader) or request.samples, request.samples)
    with Telling(session, f"check {name}", count, "samples") as telling:
        rows, what = some_rows(loader, request.samples, request.seconds, telling)
        looked_at.append(what)
        if not telling.stopped:
            for more, what in _looks(loader, name, rows, session, place, telling):
                findings += more
                looked_at.append(what)
    if telling.interrupted:
        looked_at.append("stopped before the end")
    severities = ("error", "warning", "note")
    return model.LoaderCheck(
        name=name,
        findings=tuple(sorted(findings, key=lambda each: severities.index(each.severity))),
        looked_at=tuple(filter(None, looked_at)),
        seconds=time.monotonic() - begun,
    )


def _looks(
    loader: Any,
    name: str,
    rows: list[SampleRow],
    session: Session,
    place: Place,
    telling: Telling,
) -> Iterator[tuple[Iterable[Finding], str]]:
    """Yield what plugins and the checks below find, and what was looked at for it."""
    site = loaders.site_of(name, session, place)
    given = {"loader": loader, "site": site, "say": lambda what: telling.at(len(rows), what)}
    for _, looked in session.state(Plugged).plugins.call("gradrepl_loader_check", **given):
        yield looked
    telling.at(len(rows), "visits of one epoch")
    visits, what = _visits(loader)
    models = [(prefix.strip("."), root) for prefix, root in session.names(place.frame).roots]
    others = current_loader.loaders(session, place)
    random = is_random(loader)
    checked = Checked(loader, name, rows, visits, models, others, site, random)
    yield (each for look in LOOKS for each in look(checked)), what


# -- some samples of a dataset ------------------------------------------------------------------


def some_rows(
    loader: Any, most: int, seconds: float, telling: Telling
) -> tuple[list[model.SampleRow], str]:
    """Fetch samples spread over the dataset, or the first of a stream, within a time."""
    size = None if batches.is_iterable(loader) else loaders.length(loader) or 0
    fetched: list[fetching.Fetched] = []
    end = time.monotonic() + seconds
    for samples in _stream(loader) if size is None else _spread(loader, size, min(size, most)):
        fetched += samples
        telling.at(len(fetched))
        if len(fetched) >= most or time.monotonic() > end or telling.stopped:
            break
    count = len(fetched)
    what = (
        f"the first {count} samples of the stream" if size is None else f"{count} of {size} samples"
    )
    return batches.rows_of(fetched, None), what


def _spread(loader: Any, size: int, count: int) -> Iterator[list[fetching.Fetched]]:
    fetching.be_worker(loader, fetching.worker_of(loader, 0))
    for index in sorted({(n * (size - 1)) // max(1, count - 1) for n in range(count)}):
        yield [fetching.one(loader.dataset, index)]


def _stream(loader: Any) -> Iterator[list[fetching.Fetched]]:
    return (samples for samples, _ in fetching.stream(loader))


def is_random(loader: Any) -> bool:
    """Is a sample another when it is fetched again?"""
    if batches.is_iterable(loader) or not loaders.length(loader):
        return False
    before = fetching.be_worker(loader, fetching.worker_of(loader, 0))
    fetching.one(loader.dataset, 0)
    return bool(before.changed())


def _shared(checked: Checked) -> Iterator[Finding]:
    """Find loaders that share one dataset though it augments."""
    if not checked.random:
        return
    mine = _root(checked.loader.dataset)
    for name, other in checked.others:
        if other is not checked.loader and _root(other.dataset) is mine:
            yield checked.finding(
                "warning",
                f"{checked.name} and {name} read one {type(mine).__name__}, which augments.",
                "It is the same object behind both, and drawing a sample draws random numbers: "
                "what is meant for training is done to the other, too.",
                "Make two datasets, one without the augmenting transforms, and split both with "
                "the same indices.",
            )


def _root(dataset: Any) -> Any:
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return dataset


# -- order -------------------------------------------------------------------------------------


def _visits(loader: Any) -> tuple[Counter[Any] | None, str]:
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


def _order(checked: Checked) -> Iterator[Finding]:
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


def _sorted(checked: Checked) -> Iterator[Finding]:
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


def _last_batch(checked: Checked) -> Iterator[Finding]:
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


def _lists(checked: Checked) -> Iterator[Finding]:
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


def _collates(checked: Checked) -> Iterator[Finding]:
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


# -- values ------------------------------------------------------------------------------------


def _values(checked: Checked) -> Iterator[Finding]:
    """Say of odd samples how many there are, and name the first of a kind."""
    by_kind: dict[str, list[Any]] = {}
    for each in odd.find(checked.rows):
        if each.what not in ("slow", "constant", "duplicate"):
            by_kind.setdefault(each.what, []).append(each)
    for what, oddities in by_kind.items():
        count = len({each.place for each in oddities})
        word = {"nan": "NaN", "inf": "Inf"}.get(what, what)
        yield Finding(
            severity="error" if what in ("nan", "inf", "raises") else "warning",
            message=f"{count} of {len(checked.rows)} samples: {word}.",
            evidence=oddities[0].sentence,
            fix=f"':sample {oddities[0].index}' looks at it.",
        )


def _wide(checked: Checked) -> Iterator[Finding]:
    """Find float64 where the model works in float32."""
    narrow = (
        name
        for name, root in checked.models
        if any(p.is_floating_point() and p.element_size() < 8 for p in root.parameters())
    )
    name = next(narrow, None)
    beside = "" if name is None else f", and '{name or 'the model'}' is not"
    for part in checked.rows[0].parts if checked.rows else ():
        if part.dtype == "float64" and part.shape:
            yield Finding(
                severity="warning",
                message=f"part '{part.key}' of a sample is float64{beside}.",
                evidence=f"{checked.name}'s first sample; NumPy's own default is float64.",
                fix="torch.as_tensor(x, dtype=torch.float32), or array.astype(numpy.float32).",
            )


def _beyond(checked: Checked) -> Iterator[Finding]:
    """Find labels that the last layer of the only model has no output for."""
    if len(checked.models) != 1:
        return
    ((name, root),) = checked.models
    labels, outputs = checked.labels(), _outputs(root)
    beyond = [pair for pair in labels if not (0 <= pair[0] < outputs or pair[0] == -100)]
    if beyond and outputs > 1:
        label, index = beyond[0]
        yield Finding(
            severity="error",
            message=f"label {label} is out of range: the last layer of {name or 'the model'} has "
            f"{outputs} outputs, for labels 0 to {outputs - 1}.",
            evidence=f"dataset[{index}] and {len(beyond) - 1} more of {len(labels)} that were "
            "looked at.",
            fix="Give the layer an output for each class, or count classes from 0.",
        )


def _outputs(root: nn.Module) -> int:
    """Return how many outputs the last layer has; 0 for a model without such a layer."""
    layers = [m for m in root.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d))]
    if not layers:
        return 0
    last = layers[-1]
    return last.out_features if isinstance(last, nn.Linear) else last.out_channels


LOOKS: tuple[Callable[[Checked], Iterator[Finding]], ...] = (
    _order,
    _lists,
    _collates,
    _values,
    _wide,
    _beyond,
    _sorted,
    _last_batch,
    _shared,
)
