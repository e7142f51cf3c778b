"""Parameters that no optimizer steps, as they were made after it."""

from __future__ import annotations

from types import FrameType

import torch

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Rule
from gradrepl.engine.check.parameters import Parameter, optimizers_parameters
from gradrepl.engine.stopping.gate import Place
from gradrepl.model import Finding, sited


class NoOptimizer(Rule):
    """A parameter that gets gradients and is stepped by nobody, as its optimizer is older."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._optimizers: dict[int, torch.optim.Optimizer] = {}
        self._held: set[str] = set()
        """Names of the parameters that optimizers have stepped."""

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """Remember under which names an optimizer has its parameters."""
        self._optimizers[id(optimizer)] = optimizer
        names = self._checker.parameters.names
        for _, tensor in optimizers_parameters(optimizer):
            if id(tensor) in names:
                self._held.add(names[id(tensor)])

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of those that were reached at least twice and never written to."""
        made = self._checker.made
        moments = [made.when(each) for each in self._optimizers.values()]
        if not self._held or not all(moments):
            return
        for known, tensor in self._checker.parameters.alive():
            left = known.reached > 1 and not known.optimizers and not known.moved
            if left and tensor.requires_grad and known.name and made.when(tensor) > min(moments):
                self._checker.report(self._finding(known, tensor))

    def _finding(self, known: Parameter, tensor: torch.Tensor) -> Finding:
        replaced = known.name in self._held
        has = "another one of that name" if replaced else "the parameters as they were before"
        optimizer = self._checker.made.site(next(iter(self._optimizers.values())))
        return Finding(
            rule="stale-optimizer",
            severity="error",
            message=f"{known.name} gets a gradient and never moves: it was made after the optimizer"
            f"{f' ({optimizer.place})' if optimizer else ''}, which has {has}.",
            sites=sited(root=self._checker.made.site(tensor), optimizer=optimizer),
            subjects=(known.name,),
            fix="Make the optimizer after the model is complete, or add_param_group the new ones.",
        )
