"""What a trace holds: ops and backward passes as they ran. It stays in the process that ran it."""

from __future__ import annotations

import msgspec

from gradrepl.model.base import Site

Shape = tuple[int, ...]


class TracedOp(msgspec.Struct, frozen=True, kw_only=True):
    """One call of torch's API in a forward, or in what a backward computed anew."""

    id: int
    """Counted from 1 in the order in which ops ended."""
    name: str
    site: Site | None
    """The user's line that called it, also from inside a module of torch's."""
    module: str
    """Path of the module that it ran in: 'encoder.0'; empty outside of modules."""
    module_class: str = ""
    inputs: tuple[Shape, ...] = ()
    """Shapes of the tensors that went in, at most 8."""
    outputs: tuple[Shape, ...] = ()
    """Shapes of the tensors that came out, at most 8."""
    dtype: str = ""
    """Of the first output: 'float32'."""
    mode: str = ""
    """'no_grad', 'inference_mode', 'autocast', 'recomputation', joined by commas."""
    changed: tuple[str, ...] = ()
    """Inputs that it wrote to: 'input 0: v0 -> v1'."""
    depth: int = 0
    seconds: float = 0.0


class TracedNode(msgspec.Struct, frozen=True, kw_only=True):
    """One node of a backward's graph."""

    id: int
    """Counted from 1 in the order in which the engine ran them; those that did not run follow."""
    name: str
    """'AddmmBackward0'."""
    label: str = ""
    """Of a leaf the parameter's name, else the variable's whose tensor it made, if it has one."""
    module: str = ""
    op: int | None = None
    """Id of the op that made it, where that was recorded."""
    site: Site | None = None
    leaf: bool = False
    ran: bool = False
    shape: Shape | None = None
    """Of the first gradient that arrived."""
    norm: float | None = None
    """L2 norm of it."""
    to: tuple[int, ...] = ()
    """Nodes that its gradients go to, by id."""


class TracedPass(msgspec.Struct, frozen=True, kw_only=True):
    """One backward, and the graph that it ran through."""

    number: int
    """Counted from 1 in the order in which they began."""
    how: str
    """'backward' (into ``.grad``), or 'grad'."""
    root: str = ""
    """Variable of the tensor that it began at, or empty."""
    site: Site | None = None
    outcome: str = "finished"
    """Or 'raised RuntimeError: ...'."""
    inside: int = 0
    """Number of the pass that it ran inside of, 0 for none."""
    seconds: float = 0.0
    nodes: tuple[TracedNode, ...] = ()
    cut: bool = False
    """The graph has more nodes than a trace keeps."""

    @property
    def visits(self) -> tuple[TracedNode, ...]:
        """The nodes that ran, in the engine's true order."""
        return tuple(node for node in self.nodes if node.ran)
