"""The program's own autograd Functions, and module hooks that look too early."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

import torch

from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule
from gradrepl.engine.code import frames
from gradrepl.engine.explain import source
from gradrepl.engine.forward.calls import Call, tensors_in
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.observers import BackwardCall
from gradrepl.engine.tensor import facts, names
from gradrepl.model import Site, sited

LOOKS = 3
"""Backwards before which hooks are looked at."""


class Context(Rule):
    """What a Function keeps on ``ctx``: its own output, or a value that has no graph."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._bare: dict[int, tuple[str, str, Site | None]] = {}
        """By number of a node: the Function, the attribute and the line that set it."""

    def op(self, op: Op, call: Call) -> None:
        """Look at the ctx of a Function that has run."""
        made = {id(each): each for each in tensors_in(call.result) if each.requires_grad}
        node: Any = next(map(facts.node_of, made.values()), None)
        function = getattr(type(node), "_forward_cls", None)
        if function is None or frames.kind(function.forward.__code__) != frames.USER:
            return
        inputs = set(map(id, call.inputs()))
        for attribute, value in _kept_on(node):
            site = _set_at(function, attribute)
            if id(value) in made:
                self._cycle(function.__name__, attribute, site)
            elif id(value) not in inputs and value.is_floating_point() and not value.requires_grad:
                self._bare[node._sequence_nr()] = function.__name__, attribute, site

    def _cycle(self, name: str, attribute: str, site: Site | None) -> None:
        self._checker.report(
            "ctx-cycle",
            f"{name}.forward keeps its own output on ctx ({attribute}): output, grad_fn and ctx"
            " hold each other, and only the garbage collector frees them.",
            (f"ctx.{attribute}", name),
            sites=sited(root=site),
        )

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """A backward that is itself recorded went through such a Function."""
        for number in ran.seqs & self._bare.keys() if ran.grows else ():
            name, attribute, site = self._bare[number]
            self._checker.report(
                "function-double-backward",
                f"{name}.backward uses ctx.{attribute}, which forward computed where no graph is"
                " recorded: a second derivative lacks its part.",
                (f"ctx.{attribute}", attribute, name),
                fix=f"Save the input, and compute {attribute} of it anew in backward.",
                sites=sited(root=site),
            )

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Their graphs are gone."""
        self._bare.clear()


def _kept_on(node: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors that are attributes of a ctx."""
    for attribute, value in list(vars(node).items()):
        for each in tensors_in(value):
            yield attribute, each


def _set_at(function: Any, attribute: str) -> Site | None:
    code = function.forward.__code__
    parameter = next(iter(inspect.signature(function.forward).parameters), "ctx")
    return source.assignment(code.co_filename, code.co_firstlineno, f"{parameter}.{attribute}")


class EarlyHook(Rule):
    """A full backward hook that reads ``.grad`` of a module whose input needs no gradient."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._looks = 0

    def begins(self, ran: Ran, call: BackwardCall) -> None:
        """Look at the hooks of all modules, at the first backwards."""
        if self._looks >= LOOKS or not ran.accumulates:
            return
        self._looks += 1
        self._checker.parameters.search(ran.frame)
        modules = self._checker.parameters.each_module()
        hooked = {path: module for path, module in modules if _is_hooked(module)}
        for op in self._checker.ledger.ops if hooked else ():
            if op.module in hooked and all(each.leaf for each in op.inputs if each.requires_grad):
                self._report(op.module, hooked.pop(op.module))

    def _report(self, path: str, module: torch.nn.Module) -> None:
        code = next(_readers(module))
        places = [
            _registered(file, code.co_name) for file in (code.co_filename, self._checker.script)
        ]
        self._checker.report(
            "hook-order",
            f"the full backward hook {code.co_name} of {path} reads .grad before it is there: as"
            " the module's input requires no gradient, it fires before its parameters have theirs.",
            (path, code.co_name),
            sites=sited(
                root=next(filter(None, places), None),
                hook=source.line(code.co_filename, code.co_firstlineno),
            ),
        )


def _is_hooked(module: torch.nn.Module) -> bool:
    """Has it such a hook, and parameters of its own whose gradients that might read?"""
    return any(_readers(module)) and any(p.requires_grad for p in module.parameters(recurse=False))


def _readers(module: torch.nn.Module) -> Iterator[Any]:
    """Yield the code of the full backward hooks of the program's own that read ``.grad``."""
    if vars(module).get("_is_full_backward_hook"):
        for hook in list(vars(module).get("_backward_hooks", {}).values()):
            _, code = names.owner(hook)
            if code is not None and frames.kind(code) == frames.USER and "grad" in code.co_names:
                yield code


def _registered(file: str, name: str) -> Site | None:
    """Return the line that registers a full backward hook of this name."""
    tree = source.tree_of(file)
    calls = (each for each in (ast.walk(tree) if tree else ()) if isinstance(each, ast.Call))
    lines = (
        source.line(file, each.lineno)
        for each in calls
        if ast.unparse(each.func).endswith("register_full_backward_hook")
        and name in ast.unparse(each)
    )
    return next(lines, None)
