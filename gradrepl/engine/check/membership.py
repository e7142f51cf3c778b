"""Parameters that no optimizer steps, as they were made after it; flags that freeze nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FrameType

import torch

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Ran, Rule
from gradrepl.engine.check.parameters import Parameter
from gradrepl.engine.code.values import attributes, is_a
from gradrepl.engine.explain import source
from gradrepl.engine.explain.source import at
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.modules.reach import of_optimizer
from gradrepl.engine.stopping.gate import Place
from gradrepl.model import Site, sited

LOOKS = 8
"""Backwards at which modules are looked at."""


class NoOptimizer(Rule):
    """A parameter that gets gradients and is stepped by nobody, as its optimizer is older."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._first: int | None = None
        """When the first of the optimizers that step was made."""
        self._site: Site | None = None
        """Where."""
        self._held: set[str] = set()
        """Names of the parameters that optimizers have stepped."""

    def before_step(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """Remember under which names an optimizer has its parameters."""
        made = self._checker.made
        if self._first is None or made.when(optimizer) < self._first:
            self._first, self._site = made.when(optimizer), made.site(optimizer)
        names = self._checker.parameters.names
        for _, tensor in of_optimizer(optimizer):
            if id(tensor) in names:
                self._held.add(names[id(tensor)])

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of those that were reached at least twice and never written to."""
        if not self._held or not self._first:
            return
        for known in self._checker.parameters.all():
            left = known.reached > 1 and not known.optimizers and not known.moved and known.name
            if left and known.requires_grad and known.made > self._first:
                self._report(known)

    def _report(self, known: Parameter) -> None:
        replaced = known.name in self._held
        has = "another one of that name" if replaced else "the parameters as they were before"
        self._checker.report(
            "stale-optimizer",
            f"{known.name} gets a gradient and never moves: it was made after the"
            f" optimizer{at(self._site)}, which has {has}.",
            (known.name,),
            sites=sited(root=next(iter(known.sites), None), optimizer=self._site),
        )


class Hidden(Rule):
    """Layers in a plain list or dict of a module: ``parameters()`` does not have them."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._hidden: dict[Parameter, tuple[str, str, Site | None]] = {}

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """See which leaves were reached that no module has by name."""
        if seen is None or not ran.accumulates:
            return
        parameters = self._checker.parameters
        for _, node in seen.leaves:
            known = parameters.of(node.variable, ran.frame, 0)
            if id(node.variable) not in parameters.names and known.reached == 2:
                found = next(self._holders(node.variable), None)
                if found is not None:
                    self._hidden[known] = found

    def _holders(self, tensor: torch.Tensor) -> Iterator[tuple[str, str, Site | None]]:
        """Yield the attributes of modules that hold the leaf's layer in a plain container."""
        for path, module in self._checker.parameters.each_module():
            for name, value in list(attributes(module).items()):
                if not name.startswith("_") and any(tensor is each for each in _inside([value])):
                    init = type(module).__init__.__code__
                    first = init.co_firstlineno
                    yield path, name, source.assignment(init.co_filename, first, f"self.{name}")

    def over(self, error: BaseException | None, place: Place | None) -> None:
        """Tell of those that no optimizer has."""
        for known, (path, name, site) in self._hidden.items():
            if not known.optimizers and not known.moved:
                self._checker.report(
                    "hidden-modules",
                    f"'{name}' of {path}{at(site)} is a plain tensor or container: what is in it is"
                    " in no parameters(), and no optimizer has it.",
                    (f"{path}.{name}", name, f"self.{name}"),
                    sites=sited(root=site),
                )


def _inside(value: object) -> Iterator[torch.Tensor]:
    """Yield the parameters in a plain list, tuple or dict, and of the modules in it."""
    several = list(value.values()) if isinstance(value, dict) else value
    for each in several if isinstance(several, (list, tuple)) else ():
        if is_a(each, torch.nn.Module):
            yield from each.parameters()
        elif is_a(each, torch.Tensor):
            yield each
        else:
            yield from _inside(each) if isinstance(each, (list, tuple, dict)) else ()


class ModuleFlag(Rule):
    """``module.requires_grad = False``: an attribute of the module, that freezes nothing."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._looks = 0

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """Look at all modules that are in scope, at the first backwards."""
        if self._looks >= LOOKS or not ran.accumulates:
            return
        self._looks += 1
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
