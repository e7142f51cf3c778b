"""What is wrong with a loader though nothing is raised: each finding with what was seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.utils.data import Subset

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.data import (
    apart,
    batches,
    current_loader,
    fetching,
    handing_out,
    loaders,
    odd,
)
from gradrepl.engine.data.handing_out import Checked
from gradrepl.engine.plugged import Plugged
from gradrepl.engine.progress import Telling
from gradrepl.engine.session import Answer, on
from gradrepl.model import Finding, SampleRow

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place


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
    visits, what = handing_out.visits_of(loader)
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


# -- values ------------------------------------------------------------------------------------


def _values(checked: Checked) -> Iterator[Finding]:
    """Find a batch that cannot be made; of odd samples how many there are, and the first."""
    broken = list(handing_out.collates(checked))
    yield from broken
    told = any(each.message.startswith("batch") for each in broken)  # of what does not fit
    by_kind: dict[str, list[Any]] = {}
    for each in odd.find(checked.rows):
        if each.what not in ("slow", "constant", "duplicate", *(batches.MISFITS if told else ())):
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
    handing_out.visits,
    handing_out.lists,
    _values,
    _wide,
    _beyond,
    handing_out.in_order,
    handing_out.last_batch,
    _shared,
)
