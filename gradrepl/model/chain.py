"""The chain rule: paths, local derivatives, terms of a loss."""

from __future__ import annotations

import msgspec

from gradrepl.model.base import Record
from gradrepl.model.tensors import TensorInfo

Amount = float | TensorInfo | None
"""A gradient or a part of one: a number where it has one real element; None: torch has none."""


class PathStep(msgspec.Struct, frozen=True, kw_only=True):
    """One factor of a path: the derivative of what a node made by one of its inputs."""

    node: str
    """'#7 MulBackward0', or 'MulBackward0' where no backward is paused."""
    of: str
    """What the node made: the name of a variable, else the op's name."""
    by: str
    """The input: the name of a variable or leaf, else the op's name that made it."""
    line: str = ""
    """'train.py:12', where the node was made."""
    value: float | None = None
    """The local derivative where both are single real numbers."""
    jacobian: tuple[tuple[float, ...], ...] | None = None
    """Rows: elements of ``of``; columns: elements of ``by``. Where neither has more than 8."""
    norm: float | None = None
    """L2 norm of the gradient that leaves the node on this path."""
    gain: float | None = None
    """That norm by the norm of what arrives on this path."""


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """One path from the root to the leaf and its part of the gradient."""

    nodes: tuple[str, ...]
    """From the root's node to the leaf; in a long path '...' stands for ``skipped`` of them."""
    steps: tuple[PathStep, ...]
    skipped: int = 0
    contribution: Amount
    """The vector-Jacobian product along this path alone."""
    norm: float | None = None
    share: float | None = None
    """Its projection on the gradient, as a part of it: all shares add up to 1."""


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """All paths that are not listed, as one."""

    count: int | str
    contribution: Amount
    """The gradient less what is listed."""
    norm: float | None = None
    share: float | None = None


class Paths(Record, frozen=True, kw_only=True):
    """Every path from a root to a leaf, and that they add up to the gradient."""

    root: str
    leaf: str
    count: int | str
    """Exact; a string of digits from 2**63 on, '>1e4000' beyond 4,000 digits."""
    method: str
    """'all', 'the 50 largest' (fewer where paths are very long), 'best-first search'."""
    paths: tuple[Path, ...]
    """Largest contribution first."""
    rest: Rest | None = None
    total: Amount
    """The sum over all paths, by our own reverse accumulation, node by node."""
    grad: Amount
    """What ``torch.autograd.grad`` gives on the same graph."""
    agrees: bool | None
    """Is ``total`` equal to ``grad`` up to rounding? None where torch could not be asked."""
    max_difference: float | None = None
    """The largest difference between an element of both."""
    notes: tuple[str, ...] = ()
    """What was run again, what was not run, what limits this answer."""
    whole: bool = False
    """The steps of every path are to be drawn, not of the first few only."""


class TermRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one term of a loss does to one parameter."""

    parameter: str
    norm: float | None
    """None: the term does not reach the parameter."""
    cosine: float | None
    """Of the angle between the term's gradient and the whole loss's; None for a zero one."""


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One term of a sum of losses."""

    name: str
    node: str
    line: str = ""
    weight: float | None
    """The derivative of the loss by the term."""
    value: float | None = None
    """The term's own value, where a variable holds it."""
    norm: float | None
    """Over all parameters."""
    cosine: float | None
    rows: tuple[TermRow, ...]


class Terms(Record, frozen=True, kw_only=True):
    """The gradient of a loss by its terms."""

    root: str
    terms: tuple[Term, ...]
    parameters: tuple[str, ...]
    """Those of the rows: the ones with the largest gradients."""
    norms: tuple[float | None, ...]
    """Norms of the whole loss's gradient, one for each of ``parameters``."""
    count: int
    """How many parameters the loss reaches."""
    unlisted: int = 0
    """Terms beyond those listed."""
    norm: float | None
    agrees: bool | None
    """Do the terms' gradients, listed or not, add up to the loss's?"""
    max_difference: float | None = None
    notes: tuple[str, ...] = ()


class Addend(msgspec.Struct, frozen=True, kw_only=True):
    """One gradient that arrives, and who sent it."""

    sender: str
    """'#7 MulBackward0', or 'the caller' of the backward."""
    made: str = ""
    """What the sender's op made of us: the name of a variable, else the op's."""
    edge: int
    """Which of the sender's inputs we are."""
    line: str = ""
    input_nr: int = 0
    """Which of our outputs it is for."""
    amount: Amount
    norm: float | None = None
    share: float | None = None


class Addends(Record, frozen=True, kw_only=True):
    """What is added up where several gradients meet."""

    root: str
    target: str
    addends: tuple[Addend, ...]
    """In the order in which they arrive."""
    count: int
    total: Amount
    grad: Amount
    agrees: bool | None
    max_difference: float | None = None
    notes: tuple[str, ...] = ()


class Formula(msgspec.Struct, frozen=True):
    """How one input's gradient is made of ``grad``, the one that arrives."""

    input: str
    text: str


class Gain(msgspec.Struct, frozen=True, kw_only=True):
    """What a node does to the size of a gradient, on one edge."""

    to: str
    norm_in: float | None
    norm_out: float | None
    gain: float | None
    values: str = ""
    """The outgoing gradient, where it is small."""


class Rule(Record, frozen=True, kw_only=True):
    """The derivative rule of a backward function."""

    node: str
    forward: str
    """The forward's signature: 'mul.Tensor(Tensor self, Tensor other) -> Tensor'."""
    formulas: tuple[Formula, ...]
    source: str
    """'torch 2.13.0, derivatives.yaml', or 'train.py:12' of a custom Function, or why none."""
    code: str = ""
    """The source of a custom Function's backward."""
    saved: tuple[tuple[str, str], ...] = ()
    """(name, values) of what the formula uses, where it is small."""
    arriving: str = ""
    """The gradient that arrives, where it is small, and whose it is."""
    gains: tuple[Gain, ...] = ()
    notes: tuple[str, ...] = ()


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One input's Jacobian, by the backward and by finite differences."""

    input: str
    output: str
    max_error: float | None
    """Largest absolute difference between the two; None: not finite."""
    relative: float | None
    index: tuple[int, ...]
    """The element of the input where they differ most."""
    output_index: tuple[int, ...]
    analytic: float | None
    numeric: float | None
    elements: int
    """Elements of the Jacobian that were compared."""
    complete: bool = True
    """Were they all?"""
    passed: bool = True
    """Within 1e-5 + 1e-3 times the numeric value, as ``torch.autograd.gradcheck`` has it."""


class Verified(Record, frozen=True, kw_only=True):
    """A local derivative compared with finite differences in float64."""

    what: str
    passed: bool
    checks: tuple[Checked, ...]
    notes: tuple[str, ...] = ()
