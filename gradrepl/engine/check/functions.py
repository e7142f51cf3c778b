"""The program's own autograd Functions, and module hooks that look too early."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import torch

from gradrepl.engine.check import source
from gradrepl.engine.check.checker import Checker
from gradrepl.engine.check.ledger import Op, Ran, Rule
from gradrepl.engine.code import frames
from gradrepl.engine.forward.calls import Call, tensors_in
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.observers import BackwardCall
from gradrepl.engine.tensor import facts, names
from gradrepl.model import Finding, Site, sited


class Context(Rule):
    """What a Function keeps on ``ctx``: its own output, or a value that has no graph."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._bare: dict[int, tuple[str, str, Site | None]] = {}
        """By number of a node: the Function, the attribute and the line that set it."""
        self._seen: set[tuple[str, str]] = set()

    def op(self, op: Op, call: Call) -> None:
        """Look at the ctx of a Function that has run."""
        made = [each for each in tensors_in(call.result) if each.requires_grad]
        node: Any = facts.node_of(made[0]) if made else None
        if not isinstance(node, torch.autograd.function.BackwardCFunction):
            return
        function = _function_of(node)
        if function is None or frames.kind(function.forward.__code__) != frames.USER:
            return
        taken = {id(each) for each in call.inputs()}
        for attribute, value in list(vars(node).items()):
            if not isinstance(value, torch.Tensor) or id(value) in taken:
                continue
            site = _set_at(function, attribute)
            if any(value is each for each in made):
                self._cycle(function, attribute, site)
            elif value.is_floating_point() and facts.is_leaf(value) and not value.requires_grad:
                self._bare[node._sequence_nr()] = function.__name__, attribute, site

    def _cycle(self, function: Any, attribute: str, site: Site | None) -> None:
        name = function.__name__
        self._checker.report(
            Finding(
                rule="ctx-cycle",
                severity="warning",
                message=f"{name}.forward keeps its own output on ctx ({attribute}): output, grad_fn"
                " and ctx hold each other, and only the garbage collector frees them.",
                sites=sited(root=site),
                subjects=(f"ctx.{attribute}", name),
                fix="ctx.save_for_backward(output)",
            )
        )

    def ended(self, ran: Ran, seen: Recorder | None) -> None:
        """A backward that is itself recorded went through such a Function."""
        if not ran.grows:
            return
        for number in ran.seqs & self._bare.keys():
            name, attribute, site = self._bare[number]
            self._checker.report(
                Finding(
                    rule="function-double-backward",
                    severity="error",
                    message=f"{name}.backward uses ctx.{attribute}, which forward computed where no"
                    " graph is recorded: a second derivative lacks its part.",
                    sites=sited(root=site),
                    subjects=(f"ctx.{attribute}", attribute, name),
                    fix=f"Save the input, and compute {attribute} of it anew in backward.",
                )
            )

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Their graphs are gone."""
        self._bare.clear()


def _function_of(node: Any) -> Any:
    """Return the Function whose node this is."""
    return getattr(type(node), "_forward_cls", None)


def _set_at(function: Any, attribute: str) -> Site | None:
    code = function.forward.__code__
    first = code.co_firstlineno
    parameter = next(iter(inspect.signature(function.forward).parameters), "ctx")
    return source.assignment(code.co_filename, first, f"{parameter}.{attribute}")


class EarlyHook(Rule):
    """A full backward hook that reads ``.grad`` of a module whose input needs no gradient."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._looked = 0

    def begins(self, ran: Ran, call: BackwardCall) -> None:
        """Look at the hooks of all modules, at the first backwards."""
        if self._looked >= 3 or not ran.accumulates:
            return
        self._looked += 1
        self._checker.parameters.search(ran.frame)
        hooked = {
            path: module
            for path, module in self._checker.parameters.each_module()
            if any(_readers(module))
        }
        if not hooked:
            return
        for op in self._checker.ledger.ops:
            if op.module in hooked and not any(
                each.requires_grad and not each.leaf for each in op.inputs
            ):
                self._report(op.module, hooked.pop(op.module))

    def _report(self, path: str, module: torch.nn.Module) -> None:
        if not any(each.requires_grad for each in module.parameters(recurse=False)):
            return
        hook = next(_readers(module))
        code = hook.__code__
        files = [code.co_filename, self._checker.script()]
        site = next((each for file in files if (each := _registered(file, code.co_name))), None)
        self._checker.report(
            Finding(
                rule="hook-order",
                severity="error",
                message=f"the full backward hook {code.co_name} of {path} reads .grad before it is"
                " there: as the module's input requires no gradient, it fires before its"
                " parameters have theirs.",
                sites=sited(root=site, hook=source.line(code.co_filename, code.co_firstlineno)),
                subjects=(path, code.co_name),
                fix="parameter.register_post_accumulate_grad_hook(...)",
            )
        )


def _readers(module: torch.nn.Module) -> Iterator[Any]:
    """Yield the full backward hooks of the program's own that read ``.grad``."""
    if not vars(module).get("_is_full_backward_hook"):
        return
    for hook in list(vars(module).get("_backward_hooks", {}).values()):
        _, code = names.owner(hook)
        if code is not None and frames.kind(code) == frames.USER and "grad" in code.co_names:
            yield hook


def _registered(file: str, name: str) -> Site | None:
    import ast

    tree = source.tree_of(file)
    for each in ast.walk(tree) if tree is not None else ():
        if isinstance(each, ast.Call) and ast.unparse(each.func).endswith(
            "register_full_backward_hook"
        ):
            if name in ast.unparse(each):
                return source.line(file, each.lineno)
    return None
