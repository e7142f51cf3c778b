"""Watched training: the gradients of every parameter and node over the iterations, and verdicts."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from gradrepl.model.base import Record
from gradrepl.model.running import NodeRow

NAN, INF, EXPLODING, NO_GRAD = "nan", "inf", "exploding", "no grad"
VANISHING, DEAD, UNCHANGED = "vanishing", "dead", "unchanged"
OVERFLOW, RISING = "overflow", "rising"
OK, FROZEN, UNSEEN = "ok", "frozen", "unseen"
PROBLEMS = (NAN, INF, EXPLODING, NO_GRAD, VANISHING, DEAD, UNCHANGED)
"""Verdicts that something is wrong, the worst first."""
VERDICTS = (*PROBLEMS, OVERFLOW, RISING, UNSEEN, OK, FROZEN)
"""All of them, in the order in which rows are listed. 'overflow': not finite under a GradScaler,
which will skip the step; 'rising': its norm has been growing, which is no fault by itself;
'unseen': no watched backward has reached it so far."""

Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Times = Annotated[int, msgspec.Meta(ge=1)]


class HealthLimits(Record, frozen=True, kw_only=True):
    """The limits of all verdicts; ``:set health.NAME VALUE`` changes one. Norms are L2 norms.

    With a GradScaler, norms are divided by its scale before they are judged.
    """

    vanishing: Positive = 1e-7
    """A norm below it, and above zero, is vanishing."""
    exploding: Positive = 1e3
    """A norm above it is exploding."""
    jump: Positive = 100.0
    """A norm that is more than so many times its own running mean is exploding, too."""
    rising: Annotated[float, msgspec.Meta(gt=1)] = 5.0
    """A norm is rising when the mean of the last third of the looks kept is so many times that
    of the first third or more, and that of the middle lies between (geometric means)."""
    dead: Share = 0.5
    """Share of units (rows of a layer's weight, elements of a bias) whose gradient was exactly zero
    at each of the last ``patience`` looks at figures, from which on a gradient is dead. One that
    is all zero is dead at the third such look, with steps between."""
    patience: Times = 10
    """Backwards (steps of its optimizer, where one is seen) after which a parameter counts as never
    reached, a weight as unchanged, a unit as dead, a non-finite gradient under a GradScaler as
    more than its passing overflow."""
    loader: Share = 0.3
    """Share of a step spent waiting for data from which on it is loader-bound."""
    figures: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Minimum, maximum, zeros and updates are worked out at every so many looks; 0: as often as
    costs no more than a fiftieth of the time. Norms, NaN and Inf are seen at every look."""


class HealthRow(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter: its gradient after the last watched backward, and how it went before."""

    name: str
    also: tuple[str, ...] = ()
    """Other names of the same parameter: it is tied."""
    shape: tuple[int, ...]
    numel: int
    verdict: str
    """A word of ``VERDICTS``."""
    label: str = ""
    """The verdict as it is shown: 'nan @118', 'dead 64%'."""
    why: str = ""
    """Which number crossed which limit, in one sentence."""
    limit: str = ""
    """Name of the limit that was crossed: 'vanishing'; empty where there is none."""
    since: int = 0
    """The backward since which it has this verdict."""
    norm: float | None = None
    """L2 norm of the gradient, the scale of a GradScaler taken out; None where there is none."""
    min: float | None = None
    max: float | None = None
    zeros: int | None = None
    nans: int = 0
    infs: int = 0
    figures_at: int = 0
    """The backward after which min, max, zeros and the weight's norm were worked out; 0: never."""
    weight_norm: float | None = None
    ratio: float | None = None
    """Norm of the gradient over norm of the weight."""
    update: float | None = None
    """Norm of the change over that of the weight, at the last measured step of an optimizer."""
    update_of: int = 0
    """Elements that ``update`` was measured on: all, or of a large weight a sample."""
    update_steps: int = 0
    """Steps of optimizers in that change; 0 where no optimizer of torch's was seen."""
    history: tuple[float | None, ...] = ()
    """Norms at the last looks, oldest first; None where no gradient arrived. Of many in a row that
    are not finite only the first 24 are kept, so that how it came about is not lost."""
    depth: int | None = None
    """How many parameters got their gradient before it: 0 is next to the loss."""
    reached_at: int = 0
    """The last backward that reached it; 0 for none."""
    optimizer: str = ""
    """Class of the optimizer that has stepped it: 'AdamW'; empty for none seen."""
    lr: float | None = None
    where: tuple[str, ...] = ()
    """Of one that vanishes or explodes, when it is asked for by name: in sentences, at which
    nodes between the loss and it."""
    spread: tuple[tuple[float, int], ...] = ()
    """When asked for by name: how many elements have a log10|g| of at least so much, in steps of
    one; of a large gradient in a sample. The scale is taken out."""
    spread_at: int = 0
    """The backward after which that was; 0: when it was asked for."""


class HealthPoint(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one look."""

    backward: int
    total: float | None
    """Norm of all gradients that this backward reached, the scale taken out."""
    loss: float | None = None
    """Value of the root, the scale taken out; None unless it is a single number."""
    models: str = ""
    """Which models it reached, where several are in scope: 'critic'."""


class Depth(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter in the picture of norms by depth."""

    name: str
    norm: float | None
    """None where it has no gradient."""
    verdict: str = OK


class Clipping(msgspec.Struct, frozen=True, kw_only=True):
    """What the program clips its gradients to, as far as torch's own functions do it."""

    how: str
    """'norm' (``clip_grad_norm_``) or 'value' (``clip_grad_value_``)."""
    limit: float
    calls: int = 0
    hit: int = 0
    """Calls that changed a gradient."""
    empty: int = 0
    """Calls at which no parameter had a gradient: they clipped nothing."""
    scaled: bool = False
    """The gradients still had the scale of a GradScaler: ``unscale_`` was not called before."""


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the time of a step goes: seconds, the mean of the steps kept, as the host sees them.

    A step ends with an optimizer's step, or where none is seen with the backward.
    """

    steps: int
    data: float
    """Waiting in a DataLoader's ``next``."""
    to_device: float | None = None
    """Copying from host memory to an accelerator; None where none is used."""
    forward: float
    """The rest: the forward and all other code of the program."""
    backward: float
    optimizer: float
    watching: float
    """Looking at the gradients."""
    total: float
    closures: bool = False
    """The optimizer calls a closure: the forward in it counts as the optimizer's."""
    verdict: str = ""
    """In a sentence: 'loader-bound: 71 % of the step is waiting for data.'"""


class HealthNodes(Record, frozen=True, kw_only=True):
    """A window on the nodes of the last watched backward, in the engine's order."""

    rows: tuple[NodeRow, ...]
    first: int = 0
    total: int = 0
    backward: int = 0
    problems: int = 0
    bad: NodeRow | None = None
    """The first node that a non-finite gradient arrived at."""
    statistics: bool = False
    """Were minimum and maximum worked out?"""
    scale: float | None = None
    note: str = ""


class Watching(Record, frozen=True, kw_only=True):
    """What is being watched."""

    grads: bool = False
    nodes: bool = False
    """Every node, too."""
    statistics: bool = False
    """Minimum and maximum at every node, too."""
    every: int = 1
    """Every so many backwards are looked at."""
    breakpoints: bool = False
    """Gradients are watched (also) because a breakpoint waits for a verdict."""


class Health(Record, frozen=True, kw_only=True):
    """All that a screen needs: rows sorted by verdict, the worst first; curves; times."""

    watching: Watching
    rows: tuple[HealthRow, ...] = ()
    first: int = 0
    total: int = 0
    """Parameters there are, or that match what was asked for."""
    problems: int = 0
    backwards: int = 0
    """Backwards since watching began."""
    steps: int = 0
    """Steps of optimizers of torch's since then."""
    points: tuple[HealthPoint, ...] = ()
    """The looks kept, oldest first, at most 120; of many in a row that are not finite the first 23
    and the last."""
    timing: Timing | None = None
    scale: float | None = None
    """The scale of the GradScaler that scaled the last root, or None."""
    skipped: int = 0
    """Steps of optimizers that the GradScaler skipped, as a gradient was not finite."""
    clipping: tuple[Clipping, ...] = ()
    """At most 4, the newest last."""
    depths: tuple[Depth, ...] = ()
    """All parameters by depth, next to the loss first; of many every so many, at most 120."""
    optimizers: tuple[str, ...] = ()
    """'AdamW lr 0.0003', one for each optimizer seen."""
    limits: HealthLimits = HealthLimits()
    more: bool = False
    """Parameters beyond the first 20,000 are not watched."""
    took: float = 0.0
    """Seconds that the answer took away from the program, where it was running."""


class VerdictChange(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter has got another verdict."""

    name: str
    verdict: str
    label: str
    why: str
    was: str
    backward: int
    """The backward after which it got it."""


class Verdicts(Record, frozen=True, kw_only=True):
    """Told when parameters have got a verdict that something is wrong; at most once a second."""

    BRIEF: ClassVar[bool] = True
    changes: tuple[VerdictChange, ...]
    """At most 8."""
    total: int
