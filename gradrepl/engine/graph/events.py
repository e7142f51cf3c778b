"""Events of a backward: a node about to run or done, and the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from gradrepl.engine.code import frames
from gradrepl.engine.explain import no_gradient, nonfinite
from gradrepl.engine.forward.events import TensorEvent
from gradrepl.engine.stopping.breakpoints import Anchor
from gradrepl.engine.tensor import figures
from gradrepl.model import Site

if TYPE_CHECKING:
    from types import FrameType

    from gradrepl.engine.graph.graph import Graph, Order
    from gradrepl.engine.graph.view import View
    from gradrepl.engine.stopping.stepper import Stepper
    from gradrepl.engine.tensor.names import Names
    from gradrepl.model import Accumulated

MISSING = 8
"""Parameters without a gradient that are named."""
VIEWS = frozenset(
    """
    TBackward ViewBackward UnsafeViewBackward ExpandBackward TransposeBackward PermuteBackward
    SqueezeBackward UnsqueezeBackward ReshapeAliasBackward AliasBackward CloneBackward
    ToCopyBackward DetachBackward
    """.split()  # noqa: SIM905
)


class Backward(Protocol):
    """A backward that runs (a ``Pass``), as its events see it."""

    frame: FrameType | None
    graph: Graph

    @property
    def order(self) -> Order:
        """The order of its nodes."""

    @property
    def names(self) -> Names:
        """The names in scope of its caller."""

    @property
    def view(self) -> View:
        """Its records."""

    @property
    def begun(self) -> int:
        """How many nodes have begun to run."""

    @property
    def root(self) -> str:
        """Name of what it starts from, or ''."""

    def is_root(self, node: int) -> bool:
        """Does it begin there?"""

    def name(self, node: int) -> str:
        """Name of a node."""

    def label(self, node: int) -> str:
        """What the user knows it by."""

    def leaf(self, node: int) -> str:
        """Name of its leaf, or ''."""

    def leaf_names(self, node: int) -> Sequence[str]:
        """All names of its leaf."""

    def module(self, node: int) -> str:
        """Path of its module."""

    def module_paths(self, node: int) -> Sequence[str]:
        """All paths of its module."""

    def saved_values(self, node: Any) -> dict[str, Any]:
        """What it saved, by name."""

    def accumulated(self) -> tuple[list[Accumulated], int]:
        """The leaves that have their gradient, and how many."""

    def missing(self) -> list[str]:
        """Parameters without one."""


class NodeEvent(TensorEvent):
    """A node about to run (its gradients in are known) or done (those out, too)."""

    kind = "node"
    phase = "backward"

    def __init__(
        self, stepper: Stepper, anchor: Anchor, backward: Backward, node: int, when: str
    ) -> None:
        super().__init__(stepper, anchor)
        self.backward = backward
        self.node = node
        self.when = when
        self.frame = backward.frame
        self.grad_in: list[Any] = []
        self.grad_out: list[Any] = []

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.backward.name(self.node)

    @property
    def number(self) -> int:  # type: ignore[override]
        return self.backward.order.place(self.node)

    @property
    def module(self) -> str:  # type: ignore[override]
        return self.backward.module(self.node)

    def labels(self) -> Sequence[str]:
        label = self.backward.label(self.node)
        return [label] if label else []

    def leaf(self) -> str:
        return self.backward.leaf(self.node)

    def leaf_names(self) -> Sequence[str]:
        return self.backward.leaf_names(self.node)

    def module_paths(self) -> Sequence[str]:
        return self.backward.module_paths(self.node)

    def made(self) -> list[Any]:
        found = self.grad_out if self.when == "after" else self.grad_in
        return [grad for grad in found if grad is not None]

    def made_of(self) -> list[Any]:
        if self.when == "after":
            return [grad for grad in self.grad_in if grad is not None]
        # Before a node its gradients are judged only where they came from nowhere else.
        return [] if self.backward.is_root(self.node) else self.made()

    def deeper(self) -> bool:
        return self.anchor.phase == "forward"  # from the forward, a backward is one step

    def trivial(self) -> bool:
        return self.name == "AccumulateGrad" or self.name.rstrip("0123456789") in VIEWS

    def left_module(self) -> bool:
        if self.anchor.phase == "forward":
            return False
        stood = self.anchor.module
        return not (stood and (self.module == stood or self.module.startswith(stood + ".")))

    def past_line(self) -> bool:
        return self.anchor.phase != "forward"

    def extra(self) -> dict[str, Any]:
        node = self.backward.graph.nodes[self.node]
        found = {
            "node": node,
            "grad_in": self.grad_in,
            "saved": self.backward.saved_values(node),
            "leaf": getattr(node, "variable", None),
        }
        if self.when == "after":
            found["grad_out"] = self.grad_out
        return found

    def stop_fields(self, reason: str) -> dict[str, Any]:
        record = self.backward.view.node(self.node, self)
        notes = nonfinite.notes(self, reason, self._causes)
        return _told(self, record.site) | {
            "module": record.module,
            "node": record,
            "notes": notes,
        }

    def _causes(self, what: str) -> list[str]:
        return nonfinite.of_node(self.name, self.extra()["saved"] or {})

    def anchor_fields(self) -> dict[str, Any]:
        return {"module": self.module}


class PassEvent(TensorEvent):
    """The end of a backward."""

    kind = "pass"
    phase = "backward"

    def __init__(self, stepper: Stepper, anchor: Anchor, backward: Backward) -> None:
        super().__init__(stepper, anchor)
        self.backward = backward
        self.frame = backward.frame
        self.name = "end of backward"
        self.number = backward.order.total

    def missing(self) -> Sequence[str]:
        return self.backward.missing()

    def verdicts(self) -> Sequence[str]:
        return [word for each in self.stepper.observers for word in each.verdicts()]

    def deeper(self) -> bool:
        return True

    def stop_fields(self, reason: str) -> dict[str, Any]:
        return _told(self, None) | {"notes": self._without_gradient()}

    def _without_gradient(self) -> tuple[str, ...]:
        """Say which parameters got no gradient, and why as far as the recorded ops tell."""
        missing = self.missing()
        names: dict[str, list[str]] = {}
        with figures.quiet():
            for name in missing[:MISSING]:
                parameter = self.backward.names.parameters[name]
                flow = self.stepper.recorder.flow
                why = no_gradient.explain_cut(parameter, flow).removesuffix(".")
                names.setdefault(why, []).append(name)
        said = [
            f"no gradient for {', '.join(n)}" + (why and f": {why}") for why, n in names.items()
        ]
        more = len(missing) - MISSING
        return (*said, f"and none for {more} more") if more > 0 else tuple(said)


def _told(event: NodeEvent | PassEvent, site: Site | None) -> dict[str, Any]:
    """Return what a stop tells of the backward that it is in."""
    backward = event.backward
    if site is None and event.frame is not None:
        site = frames.site(event.frame)
    return {
        "site": site,
        "position": backward.begun,
        "total": backward.order.total,
        "root": backward.root,
        "accumulated": tuple(backward.accumulated()[0]),
    }
