"""How nodes and what they made are called in an answer, and gradients as records."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from gradrepl.engine.chain import origin
from gradrepl.engine.chain.sums import dense
from gradrepl.engine.graph import nodes
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures
from gradrepl.model import Amount


class Labels:
    """Names of one moment: ids of the backward that is paused, the user's variables, lines."""

    def __init__(self, session: Session, place: Place) -> None:
        self._session = session
        self._backward = origin.paused(session, place)
        self._names = session.names(place.frame)
        self._made: dict[tuple[Any, int], str] = {}
        with torch._C.DisableTorchFunction():
            for name, tensor in self._names.variables():
                if tensor.requires_grad and not tensor.is_leaf:
                    self._made.setdefault((tensor.grad_fn, tensor.output_nr), name)

    def node(self, node: Any) -> str:
        """Return '#7 MulBackward0', 'MulBackward0', or for a leaf '#9 weight'."""
        name = self.leaf(node) or nodes.name(node)
        index = self._backward.graph.index.get(node) if self._backward is not None else None
        place = self._backward.order.place(index) if index is not None else 0
        return f"#{place} {name}" if place else name

    def leaf(self, node: Any) -> str:
        """Return the name of the leaf that a node accumulates into, or ''."""
        variable = getattr(node, "variable", None)
        if not isinstance(variable, torch.Tensor):
            return ""
        known = self._names.tensor(variable)
        return known or "leaf " + "x".join(map(str, facts.sizes(variable.shape)))

    def made(self, node: Any, number: int) -> str:
        """Return what an output of the node is called: a variable, a leaf, else its op."""
        known = self._made.get((node, number)) or self.leaf(node)
        return known or self._op_name(node)

    def variable(self, node: Any, number: int) -> Any:
        """Return (name, tensor) of the variable that holds this output, or None."""
        name = self._made.get((node, number))
        found = (pair for pair in self._names.variables() if pair[0] == name)
        return next(found, None) if name else None

    def _op(self, node: Any) -> Any:
        number = int(node._sequence_nr())
        if number >= nodes.NO_SEQUENCE or not self._session.stepper.torch_here:
            return None
        return self._session.stepper.recorder.op_of(number)

    def _op_name(self, node: Any) -> str:
        op = self._op(node)
        if op is not None:
            return str(op.name)
        return nodes.name(node).rstrip("0123456789").removesuffix("Backward").lower()

    def line(self, node: Any) -> str:
        """Return 'train.py:12', where the node was made, or ''."""
        op = self._op(node)
        return f"{Path(op.site.file).name}:{op.site.line}" if op and op.site else ""


def amount(grad: Any) -> Amount:
    """Return a gradient as it travels: a number, or what may be said of a tensor."""
    if grad is None:
        return None
    if grad.layout is torch.strided and grad.numel() == 1 and not grad.is_complex():
        return float(grad.item())
    return facts.describe(grad)


def size(grad: Any) -> float | None:
    """Return the L2 norm of a gradient."""
    return None if grad is None else figures.norm(grad)


def share(part: Any, whole: Any) -> float | None:
    """Return the projection of ``part`` on ``whole``, as a part of it; None where that is 0."""
    return None if whole is None else projection(part, whole, figures.norm(whole))


def projection(part: Any, whole: Any, norm: float | None) -> float | None:
    """Return the same, the norm of ``whole`` known."""
    if not norm or not math.isfinite(norm) or part is None:
        return None if not norm else (0.0 if part is None else None)
    with figures.quiet():
        left, right = dense(part).reshape(-1), dense(whole).reshape(-1)
        wide = torch.complex128 if left.is_complex() else torch.float64
        inner = torch.vdot(right.to(wide), left.to(wide))
        return float(inner.real) / norm**2
