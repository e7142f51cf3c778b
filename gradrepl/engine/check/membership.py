"""Parameters that no optimizer steps, as they were made after it; flags that freeze nothing."""

from __future__ import annotations

import ast
import weakref
from collections.abc import Iterator
from types import FrameType

import torch

from gradrepl.engine.check import source
from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.gradients import at
from gradrepl.engine.check.ledger import Rule
from gradrepl.engine.check.parameters import Parameter, optimizers_parameters
from gradrepl.engine.stopping.gate import Place
from gradrepl.model import Site, sited


class NoOptimizer(Rule):
    """A parameter that gets gradients and is stepped by nobody, as its optimizer is older."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._optimizers: weakref.WeakSet[torch.optim.Optimizer] = weakref.WeakSet()
        self._held: set[str] = set()
        """Names of the parameters that optimizers have stepped."""

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """Remember under which names an optimizer has its parameters."""
        self._optimizers.add(optimizer)
        names = self._checker.parameters.names
        for _, tensor in optimizers_parameters(optimizer):
            if id(tensor) in names:
                self._held.add(names[id(tensor)])

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of those that were reached at least twice and never written to."""
        made = self._checker.made
        moments = [made.when(each) for each in self._optimizers]
        if not self._held or not moments or not all(moments):
            return
        for known, tensor in self._checker.parameters.alive():
            left = known.reached > 1 and not known.optimizers and not known.moved and known.name
            if left and tensor.requires_grad and made.when(tensor) > min(moments):
                self._report(known, tensor)

    def _report(self, known: Parameter, tensor: torch.Tensor) -> None:
        replaced = known.name in self._held
        has = "another one of that name" if replaced else "the parameters as they were before"
        optimizer = self._checker.made.site(next(iter(self._optimizers)))
        self._checker.report(
            "stale-optimizer",
            f"{known.name} gets a gradient and never moves: it was made after the"
            f" optimizer{at(optimizer)}, which has {has}.",
            (known.name,),
            sites=sited(root=self._checker.made.site(tensor), optimizer=optimizer),
        )


class ModuleFlag(Rule):
    """``module.requires_grad = False``: an attribute of the module, that freezes nothing."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Look at all modules that were in scope."""
        for path, module in self._checker.parameters.each_module():
            flag = vars(module).get("requires_grad")
            if flag is False and any(each.requires_grad for each in module.parameters()):
                self._checker.report(
                    "module-flag",
                    f"{path}.requires_grad = False sets an attribute of the module and freezes"
                    " nothing: its parameters still require a gradient.",
                    (path,),
                    fix=f"{path}.requires_grad_(False)",
                    sites=sited(root=self._site(path.rpartition(".")[2])),
                )

    def _site(self, owner: str) -> Site | None:
        """Return the line that sets the flag: of ``owner``, else of any other."""
        files = [site.file for op in self._checker.ledger.ops for site in op.sites]
        lines = [
            line for file in dict.fromkeys([self._checker.script, *files]) for line in _flags(file)
        ]
        named = (site for name, site in lines if name == owner)
        return next(named, lines[0][1] if lines else None)


def _flags(file: str) -> Iterator[tuple[str, Site]]:
    """Yield the lines that assign to ``X.requires_grad``, each with the last name in X."""
    tree = source.tree_of(file)
    nodes = ast.walk(tree) if tree is not None else ()
    for node in (each for each in nodes if isinstance(each, ast.Assign)):
        for target in node.targets:
            if isinstance(target, ast.Attribute) and target.attr == "requires_grad":
                owner = ast.unparse(target.value).rpartition(".")[2]
                yield owner, source.line(file, node.lineno)
