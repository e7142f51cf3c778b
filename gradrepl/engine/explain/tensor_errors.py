"""Errors of autograd with the tensor that they are about by its name, its line, and what to do."""

from __future__ import annotations

import ast
import inspect
import re
import types
from typing import TYPE_CHECKING, Any

import torch

from gradrepl.engine.explain.failed_line import Failure, Subject, value_of
from gradrepl.engine.explain.no_gradient import describe_op
from gradrepl.engine.memory.survey import Survey
from gradrepl.engine.modules.reach import Optimizers, strays
from gradrepl.engine.tensor import facts, figures, hooks, report
from gradrepl.engine.tensor import names as engine_names

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

SHAPE = re.compile(r"\[torch\.\w+ \[([\d, ]*)\]\]")
SUSPECTS = 3
"""Ops that are named where the tensor itself is out of reach."""


def name_the_write(failure: Failure) -> str:
    """Say which line overwrote a saved value, and through which alias."""
    sentence = _overwritten(failure)
    if "written by" not in sentence:
        sentence = f"{sentence} {_suspects(failure)}".strip()
    return f"{sentence} {failure.hint}" if sentence else ""


def _overwritten(failure: Failure) -> str:
    """Say what was saved, where, and who wrote to it: the value is found by torch's message."""
    survey = Survey(failure.session, failure.place)
    for group in survey.groups:
        for piece in group.pieces:
            stale = piece.saving.stale.partition(" Hint:")[0] if piece.saving else ""
            if stale and stale in failure.message:
                return survey.stale_sentence(piece, group)
    return ""


def _suspects(failure: Failure) -> str:
    """Name the recorded ops that wrote to a tensor of the shape that torch's message gives."""
    match = SHAPE.search(failure.message)
    if match is None:
        return ""
    shape = tuple(int(size) for size in match[1].split(",") if size.strip())
    calls = [call for call, _, _ in failure.session.recorder.flow.entries]
    wrote = [call for call in reversed(calls) if call.bumped and call.shape == shape]
    ops = list(dict.fromkeys(map(describe_op, wrote)))[:SUSPECTS]
    return f"It was probably written by {', '.join(ops)}, on shape {shape}." if ops else ""


def explain_in_place(failure: Failure) -> str:
    """Name the leaf that was written to, or its view."""
    for t in failure.tensors():
        base = t.tensor._base if t.tensor._is_view() else t.tensor
        if base is not None and facts.is_leaf(base) and base.requires_grad:
            what = "is a leaf" if base is t.tensor else "is a view of a leaf"
            return (
                f"'{t.name}' {what} that requires a gradient: its value would no longer be the one "
                "the graph was built on. Update it under torch.no_grad(), or make a new tensor."
            )
    return ""


def explain_deepcopy(failure: Failure) -> str:
    """Name the non-leaf that was to be copied, also one that a module holds."""
    for t in failure.tensors():
        if not facts.is_leaf(t.tensor):
            return f"{t.why} Copy {t.name}.detach() instead."
    for name, root in failure.modules():
        for path, module in root.named_modules():
            kept = {**vars(module), **module._buffers, **module._parameters}
            for attribute, each in kept.items():
                if isinstance(each, torch.Tensor) and not facts.is_leaf(each):
                    t = Subject(".".join(filter(None, (name, path, attribute))), each, failure)
                    return f"{t.why} Detach or drop it before the copy."
    return ""


def explain_no_parameters(failure: Failure) -> str:
    """Name the list in which the parameters are hidden."""
    for name, root in failure.modules():
        names = failure.session.names(failure.place.frame)
        places = [(f"{name}.{p}" if p else name, m) for p, m in root.named_modules()]
        owned = frozenset(id(each) for each in root.parameters())
        lost = strays(places, [], names, Optimizers([]), owned)
        if lost:
            return (
                f"'{lost[0].name}' is {lost[0].why}: parameters() does not see it. Use "
                "nn.ModuleList, nn.ModuleDict or nn.Parameter."
            )
        return f"'{name}' has no parameters at all: ':mods {name}' shows what it keeps."
    return ""


def name_the_hook(failure: Failure) -> str:
    """Name the full backward hook without which there would be no view."""
    if "BackwardHookFunction" not in failure.message:
        return ""
    names = failure.session.names(failure.place.frame)
    for prefix, root in names.roots:
        for path, module in root.named_modules():
            for hook in hooks.of_module(module):
                if "full backward" in hook.kind:
                    where = (prefix + path).strip(".") or type(module).__name__
                    return (
                        f"The {hook.kind} {hook.owner} ({hook.place}) on '{where}' makes what goes "
                        "through it views: use inplace=False after it, or a hook on the tensor."
                    )
    return ""


def explain_returned(failure: Failure) -> str:
    """Say what a custom Function's backward must return."""
    wanted = failure.message.partition("unction ")[2].partition("Backward ")[0]
    spaces = engine_names.namespaces(failure.place.frame, failure.session.space)
    for value in (value for space in spaces for value in list(space.values())):
        if not (isinstance(value, type) and issubclass(value, torch.autograd.Function)):
            continue
        if value.__name__ == wanted:
            forward: Any = value.forward
            takes = [name for name in inspect.signature(forward).parameters if name != "ctx"]
            _, code = hooks.owner(value.backward)
            line = f", line {code.co_firstlineno}," if code is not None else ""
            return (
                f"{wanted}.forward takes {', '.join(takes)}: {wanted}.backward{line} must return "
                "one gradient for each, of its shape, or None where there is none."
            )
    return ""


def explain_unused(failure: Failure) -> str:
    """Name the input, by its index in the call, and the root that does not lead to it."""
    number = failure.message.partition("at index ")[2].partition(" ")[0]
    nodes = ast.walk(failure.line.tree) if failure.line is not None else ()
    call = next((node for node in nodes if isinstance(node, ast.Call)), None)
    if call is None or not number.isdecimal():
        return ""
    given = dict(zip(("outputs", "inputs"), call.args, strict=False))
    given |= {key.arg: key.value for key in call.keywords if key.arg}
    root, inputs = given.get("outputs"), given.get("inputs")
    if isinstance(inputs, (ast.List, ast.Tuple)) and int(number) < len(inputs.elts):
        inputs = inputs.elts[int(number)]
    if inputs is None or root is None:
        return ""
    name, top = ast.unparse(inputs), ast.unparse(root)
    return (
        f"'{name}' is not on the way from '{top}' to its leaves: ':graph {top}' shows what is; "
        "allow_unused=True gives None for it."
    )


def explain_none(source: str, session: Session, place: Place) -> str:
    """Say why the ``.grad`` that was just typed is None; '' where something else was typed."""
    try:
        tree = ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return ""
    if not isinstance(tree, ast.Attribute) or tree.attr != "grad":
        return ""
    with session.scope(place) as (space, local):
        held = types.SimpleNamespace(f_locals=local, f_globals=space)
        tensor = value_of(tree.value, held)  # type: ignore[arg-type]
    if not isinstance(tensor, torch.Tensor):
        return ""
    with figures.quiet():
        if (facts.is_leaf(tensor) or tensor.retains_grad) and tensor.grad is not None:
            return ""
        name = ast.unparse(tree.value)
        _, why = report.gradient(tensor, name, session, place)
    return f"{name}.grad is {why}"
