"""Autograd nodes: what one is called, what it saved, the shape of what arrives.

``Labelled`` is the only place that names the nodes of a graph as the user knows them, by a leaf, a
variable, a module or the op that made them, whoever asks: a stop in a backward, a list of a graph
that nobody runs, a file, a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, cached_property
from types import FrameType
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.code.evaluate import text_of
from gradrepl.engine.graph.graph import LEAF, Graph, Order
from gradrepl.engine.tensor import facts
from gradrepl.engine.tensor.names import Names
from gradrepl.model import Accumulated, NodeRow, Saved

NO_SEQUENCE = 2**64 - 1
"""The sequence number of every AccumulateGrad."""
STALE = "modified by an inplace operation"
FREED = "after they have already been freed"
LISTED = 24
"""Saved values in a record."""


def name(node: Any) -> str:
    """Return the node's name without torch's C++ name space."""
    known = type(node).__name__
    return known if known[:3] != "Cpp" else str(node.name()).rpartition("::")[2]


def kind(name: str) -> str:
    """Return what a node of this name is the backward of.

    >>> kind("AddmmBackward0")
    'Addmm'
    """
    return name.rstrip("0123456789").removesuffix("Backward")


def sequence(node: Any) -> int | None:
    """Return the sequence number; None for an AccumulateGrad, which has none of its own."""
    number = int(node._sequence_nr())
    return None if number >= NO_SEQUENCE else number


def is_custom(node: Any) -> bool:
    """Is this the node of a Function written in Python?"""
    return isinstance(node, torch.autograd.function.BackwardCFunction)


def unnamed(leaf: torch.Tensor) -> str:
    """Return what a leaf without a name is called: 'leaf 3x4'."""
    return "leaf " + "x".join(map(str, facts.shape(leaf)))


# -- what a node saved ---------------------------------------------------------------------------


def saved(node: Any) -> Iterator[tuple[str, Any, str]]:
    """Yield (name, value, state) of what a node saved, running no hook of anybody's.

    A value that a user's ``saved_tensors_hooks`` packed is not unpacked: its state is 'packed'.
    Of a custom Function its author's ctx is told, too.
    """
    custom = is_custom(node)
    for attribute in _attributes(node):
        short = attribute.removeprefix("_saved_")
        try:
            packed = any(_unpackers(node, attribute))
            if packed or not torch_private.tells_packed:
                yield short, None, "packed" if packed else "not to be read"
            elif custom:
                for place, value in enumerate(node.saved_tensors):
                    yield f"{short}[{place}]", value, "ok"
            else:
                yield short, _signed(getattr(node, attribute)), "ok"
        except RuntimeError as error:
            yield short, None, _state(error)
    for attribute, value in list(vars(node).items()) if custom else ():
        if not attribute.startswith("_"):
            yield f"ctx.{attribute}", value, "ok"


def unpack_hooks(node: Any) -> list[Any]:
    """Return the hooks of the program that would unpack what a node saved."""
    hooks: list[Any] = []
    for attribute in _attributes(node):
        with suppress(RuntimeError):  # freed
            hooks += _unpackers(node, attribute)
    return hooks


def _attributes(node: Any) -> tuple[str, ...]:
    return ("saved_tensors",) if is_custom(node) else _saved_attributes(type(node))  # type: ignore[arg-type]


@cache
def _saved_attributes(kind: Any) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_saved_"))


def _unpackers(node: Any, attribute: str) -> list[Any]:
    raw = getattr(node, f"_raw_{attribute.removeprefix('_')}", None)
    several = raw if isinstance(raw, (list, tuple)) else (raw,)
    return [hook for each in several if (hook := getattr(each, "unpack_hook", None))]


def _signed(value: Any) -> Any:
    """Return a value as it was given: torch hands out -1 unsigned."""
    return value - 2**64 if isinstance(value, int) and value >= 2**63 else value


def _state(error: RuntimeError) -> str:
    text = str(error)
    if STALE in text:
        return "changed in place"
    return "freed" if FREED in text else "not to be read"


def saved_records(node: Any, names: Names) -> tuple[Saved, ...]:
    """Return what a node saved, running no hook of anybody's."""
    records = []
    with torch_private.DisableTorchFunction():
        for short, value, state in saved(node):
            if isinstance(value, torch.Tensor):
                info = facts.describe(value, names.tensor(value), figures=False)
                records.append(Saved(name=short, tensor=info, state=state))
            elif value is not None or state != "ok":
                records.append(Saved(name=short, value=text_of(value)[:60], state=state))
    return tuple(records[:LISTED])


def saved_texts(live: Iterable[Any], most: int) -> tuple[tuple[str, ...], str]:
    """Return what nodes saved, 'result (64, 128) v0', and 'freed' or 'changed in place' if any is.

    Of texts at most so many; what is no tensor has one only where something is wrong with it.
    """
    texts: list[str] = []
    problem = ""
    with torch_private.DisableTorchFunction():
        for name, value, state in (each for node in live for each in saved(node)):
            if state in ("freed", "changed in place"):
                problem = problem if problem == "freed" else state
            if len(texts) < most and (isinstance(value, torch.Tensor) or state != "ok"):
                texts.append(_saved_text(name, value, state))
    return tuple(texts), problem


def _saved_text(name: str, value: Any, state: str) -> str:
    if not isinstance(value, torch.Tensor):
        return f"{name} {state}"
    version = facts.version(value)
    seen = "" if version is None else f" v{version}"
    return f"{name} {facts.shape(value)}{seen}" + ("" if state == "ok" else f" {state}")


def shape(node: Any) -> tuple[int, ...] | None:
    """Return the shape of the gradient that arrives, as the node's metadata has it."""
    variable = getattr(node, "variable", None)
    if isinstance(variable, torch.Tensor):
        return facts.shape(variable)
    try:
        return facts.sizes(node._input_metadata[0].shape)
    except (AttributeError, IndexError, RuntimeError, TypeError):
        return None


# -- a graph and its names -----------------------------------------------------------------------

OpOf = Callable[[int], Any]
"""Returns the recorded op that made the node with a sequence number, or None."""


class Labelled:
    """A graph that may run or not, and what its nodes are called; a node is an index into it.

    Keep it no longer than an answer takes, or the backward: it holds the nodes.
    """

    needed: set[int] | None = None
    """Nodes that run when only some inputs are asked for; None for all."""
    frame: FrameType | None = None
    """The frame that called the backward, while one runs it."""

    def __init__(self, graph: Graph, op_of: OpOf, names: Callable[[], Names]) -> None:
        """``names``: looks the names up that are in scope, where the first one is asked for."""
        self.graph = graph
        self.op_of = op_of
        self._look_up = names

    @cached_property
    def names(self) -> Names:
        """The names in scope where the graph is looked at from."""
        with torch_private.DisableTorchFunction():
            return self._look_up()

    @cached_property
    def order(self) -> Order:
        """The order in which the engine runs it, as far as it can be told beforehand."""
        return Order(self.graph, self.needed)

    def is_root(self, node: int) -> bool:
        """Does a backward of this graph begin at the node?"""
        return node < self.graph.starts

    # -- what has run: of a graph that nobody runs, nothing --------------------------------------

    seen: Mapping[Any, Any] = {}
    """The nodes that have begun, in the engine's true order, as ``Recorder.ran`` has them."""
    running: Mapping[int, Any] = {}
    """The node that each thread of the engine is at."""

    @property
    def begun(self) -> int:
        """How many nodes have begun to run."""
        return len(self.seen)

    def ran(self) -> list[int]:
        """Return those, in the engine's true order."""
        return list(map(self.graph.index.__getitem__, self.seen))

    def has_begun(self, node: int) -> bool:
        """Has the node begun to run?"""
        return self.graph.nodes[node] in self.seen

    def is_done(self, node: int) -> bool:
        """Has the node run to its end?"""
        return self.has_begun(node) and self.graph.nodes[node] not in self.running.values()

    def norm(self, node: int) -> float | None:
        """Return the norm of what arrived at the node, where it has run and is known."""
        norm = self.seen.get(self.graph.nodes[node])
        return norm.item() if isinstance(norm, torch.Tensor) else norm

    @property
    def root(self) -> str:
        """Name of the tensor that the backward starts from, or ''."""
        return ""

    def accumulated(self) -> tuple[list[Accumulated], int]:
        """Return leaves that have their gradient, and how many have."""
        return [], 0

    def missing(self) -> list[str]:
        """Return the parameters in scope that require a gradient and have none."""
        return []

    # -- names -----------------------------------------------------------------------------------

    def name(self, node: int) -> str:
        """Return 'AddmmBackward0', 'AccumulateGrad'."""
        return name(self.graph.nodes[node])

    def is_leaf(self, node: int) -> bool:
        """Does it accumulate into a leaf? Not by its attributes: a ctx may have any."""
        return type(self.graph.nodes[node]) is LEAF

    def op(self, node: int) -> Any:
        """Return the recorded op that made the node, or None."""
        return self.op_of(self.graph.sequence(node))

    def names_of(self, variable: torch.Tensor) -> tuple[str, ...]:
        """Return the names of a leaf, with and without the variable of its model; () for none."""
        name = self.names.tensor(variable)
        return self.names.spellings(name) if name else ()

    def leaf_names(self, node: int) -> tuple[str, ...]:
        """Return the names of the leaf that the node accumulates into; () for other nodes."""
        if not self.is_leaf(node):
            return ()
        variable = self.graph.nodes[node].variable
        return self.names_of(variable) or (unnamed(variable),)

    def leaf(self, node: int) -> str:
        """Return the first of them, or ''."""
        return next(iter(self.leaf_names(node)), "")

    @cached_property
    def variables(self) -> dict[int, str]:
        """The variables whose tensors these nodes made."""
        made: dict[int, str] = {}
        with torch_private.DisableTorchFunction():
            for variable, tensor in self.names.variables():
                node = facts.node_of(tensor) if tensor.requires_grad else None
                place = self.graph.index.get(node) if node is not None else None
                if place is not None:
                    made.setdefault(place, variable)
        return made

    def given(self, node: int) -> str:
        """Return the name that the program gives the leaf, or what the node made; '' for none."""
        variable = self.graph.nodes[node].variable if self.is_leaf(node) else None
        spelled = () if variable is None else self.names_of(variable)
        return next(iter(spelled), "") or self.variables.get(node, "")

    def module(self, node: int) -> str:
        """Return the path of the module that made the node, or of the leaf's owner."""
        op = self.op(node)
        return self.leaf(node).rpartition(".")[0] if op is None else str(op.module)

    def module_paths(self, node: int) -> tuple[str, ...]:
        """Return all paths of that module."""
        return (self.module(node),)

    def label(self, node: int) -> str:
        """Return the leaf's name, else the variable's, else the module's."""
        return self.leaf(node) or self.variables.get(node, "") or self.module(node)

    def row(self, node: int, number: int, **more: Any) -> NodeRow:
        """Return what is known of the node, which is shown as ``number``, and ``more``."""
        op = self.op(node)
        known: dict[str, Any] = {
            "id": number,
            "name": self.name(node),
            "label": self.label(node),
            "module": self.module(node),
            "op": None if op is None else op.id,
            "op_name": "" if op is None else op.name,
            "site": None if op is None else op.site,
            "leaf": self.is_leaf(node),
            "shape": shape(self.graph.nodes[node]),
            "norm": self.norm(node),
        }
        return NodeRow(**(known | more))
