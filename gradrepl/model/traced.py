"""What a trace holds: ops and backward passes as they ran. It stays in the process that ran it."""

from __future__ import annotations

import msgspec

from gradrepl.model.base import Site
from gradrepl.model.running import NodeRow


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
    nodes: tuple[NodeRow, ...] = ()
    cut: bool = False
    """The graph has more nodes than a trace keeps."""

    @property
    def visits(self) -> tuple[NodeRow, ...]:
        """The nodes that ran, in the engine's true order."""
        return tuple(node for node in self.nodes if node.ran)
