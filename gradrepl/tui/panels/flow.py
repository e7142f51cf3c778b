"""How large the gradients were on the way so far: |g| over the nodes in run order."""

from __future__ import annotations

from typing import ClassVar

from gradrepl import model
from gradrepl.draw.charts import flow
from gradrepl.draw.ink import Line
from gradrepl.draw.running import accumulated
from gradrepl.tui.panels.base import Paper

NONE: list[Line] = [[("no leaf has its gradient yet", "dim")]]


class Flow(Paper):
    """Gradient flow so far, and the leaves reached."""

    NAME: ClassVar[str] = "Flow"
    HELP: ClassVar[str] = (
        "The norm of the gradient that arrived at each node so far, on a logarithmic scale, the "
        "loss at the left. ● is a norm, ! is nan or inf, 0 is exactly zero. Below stand the "
        "leaves ◇ that have got their gradient."
    )

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.norms: list[float | None] = []
        self.first = 1
        self.leaves: tuple[model.Accumulated, ...] = ()

    def show(
        self, norms: list[float | None], first: int, leaves: tuple[model.Accumulated, ...]
    ) -> None:
        """Plot ``norms`` of the nodes from ``first``."""
        self.norms, self.first, self.leaves = norms, first, leaves
        self.resized()

    def end(self, leaves: tuple[model.Accumulated, ...]) -> None:
        """Show the leaves that a backward has reached at its end."""
        self.show(self.norms, self.first, leaves)

    def resized(self) -> None:
        """Draw for this size."""
        self.caption("Gradient flow so far", "log10 |g|")
        height = self.size.height
        shown = self.leaves[-max(1, height - 9) :]
        leaves = [accumulated(leaf, self.room) for leaf in shown]
        if leaves:
            leaves.insert(0, [("accumulated", "title")])
        below = leaves or NONE
        plot = flow(self.norms, self.first, self.room, max(5, height - len(below) - 1))
        self.write([*plot, [], *below])
