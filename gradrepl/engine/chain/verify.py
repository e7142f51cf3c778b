"""``:verify``: is a local derivative right? Compared with finite differences in float64, on copies.

The inputs are those of the op that we stand behind, those of a call that is typed, or what a node
saved: of torch's own nodes by the names of their forward's arguments, of a custom Function's where
each edge's tensor is among the saved ones. Where they are not to be had, it is said.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from msgspec import structs

from gradrepl import protocol as p
from gradrepl.engine import torch_private
from gradrepl.engine.chain import naming, rule, table
from gradrepl.engine.chain.differences import Copies, Function, Slope, compare
from gradrepl.engine.code.evaluate import first_line
from gradrepl.engine.graph import nodes
from gradrepl.engine.session import Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import StateError, UsageError
from gradrepl.model import Checked, Verified


class Application(NamedTuple):
    """A function and what it is called with."""

    name: str
    function: Callable[..., Any]
    args: Any
    kwargs: Any
    notes: tuple[str, ...] = ()


@on(p.Verify)
def verified(request: p.Verify, session: Session, place: Place) -> Verified:
    """Return the record of the comparison.

    Raises:
        StateError, UsageError: the inputs are not to be had, or there is no derivative.
    """
    applied = _find(request.what, session, place)
    names = session.names(place.frame)
    with torch_private.DisableTorchFunction():
        copies = Copies(applied.args, applied.kwargs, names.tensor)
    function = Function(applied.function, copies)
    checks, notes = compare(function), list(applied.notes)
    if function.custom and all(each.passed for each in checks):
        checks += _twice(function, notes)
    if not all(each.complete for each in checks):
        notes.append("not every element was compared.")
    if copies.complex:
        notes.append("of a complex number the last index is 0 for the real part, 1 for the other.")
    return Verified(
        what=applied.name,
        passed=all(each.passed for each in checks),
        checks=tuple(checks),
        notes=(*notes, f"run {function.runs} times on copies in float64."),
    )


def _twice(function: Function, notes: list[str]) -> list[Checked]:
    """Compare what a Function written in Python has for a second derivative, if it has one."""
    slope = Slope(function)
    try:
        return [
            structs.replace(each, output=f"first derivative by {slope.of(each.output)}")
            for each in compare(slope)
        ]
    except StateError as error:
        notes.append(f"its second derivative was not checked: {error}")
    except RuntimeError as error:  # torch has none of one of its ops
        notes.append(f"it has no second derivative: {first_line(error)}")
    return []


def _find(what: str, session: Session, place: Place) -> Application:
    event = place.event
    if not what and getattr(event, "kind", "") == "op":
        return _of_op(event)
    if not what or what.startswith("#"):
        node = rule.find(what, session, place)
        return _of_node(node, what)
    return _of_call(what, session, place)


def _of_op(event: Any) -> Application:
    call = event.call
    if event.when == "after" and (call.bumped or call.name == "__setitem__"):
        raise StateError(
            f"{call.name} has written over its input: what it was applied to is gone.",
            "Write it as a call: ':verify F.relu(x.clone())'.",
        )
    return Application(call.name, call.function, call.args, call.kwargs)


def _of_call(what: str, session: Session, place: Place) -> Application:
    try:
        tree = ast.parse(what.strip(), mode="eval").body
    except SyntaxError:
        tree = None
    if not isinstance(tree, ast.Call):
        raise UsageError(
            f"'{what}' is not a call.",
            "Write ':verify F.gelu(x)', ':verify #7', or stop at the op.",
        )
    given = [ast.unparse(each) for each in tree.args]
    given += [(f"{k.arg}=" if k.arg else "**") + ast.unparse(k.value) for k in tree.keywords]
    args, kwargs = session.evaluate(f"(lambda *a, **k: (a, k))({', '.join(given)})", place)
    if isinstance(tree.func, ast.Attribute):
        holder = session.evaluate(ast.unparse(tree.func.value), place)
        if isinstance(holder, torch.Tensor):
            method = getattr(type(holder), tree.func.attr)
            return Application(what, method, (holder, *args), kwargs)
    function = session.evaluate(ast.unparse(tree.func), place)
    if isinstance(function, torch.nn.Module):
        return _of_module(what, function, args, kwargs)
    return Application(what, function, args, kwargs)


def _of_module(what: str, module: torch.nn.Module, args: Any, kwargs: Any) -> Application:
    """Apply a module as a function of its inputs and of its parameters, which stay as they are."""
    held = {**dict(module.named_parameters()), **dict(module.named_buffers())}

    def run(held: Any, args: Any, kwargs: Any) -> Any:
        return torch.func.functional_call(module, held, args, kwargs)

    hooked = module._forward_hooks or module._forward_pre_hooks
    notes = ("hooks of the module ran, too.",) if hooked else ()
    return Application(what, run, (held, args, kwargs), {}, notes)


def _of_node(node: Any, what: str) -> Application:
    if hasattr(node, "variable"):
        raise StateError("this is a leaf: nothing was computed there.")
    name = f"{what} {nodes.name(node)}".strip()
    applied = _custom_inputs(node) if nodes.is_custom(node) else _saved_inputs(node)
    if applied is None:
        raise StateError(
            f"the inputs of {name} were not kept.",
            "Stop after the op that made it and say ':verify', or write the call: "
            "':verify F.gelu(x)'.",
        )
    return applied._replace(name=name)


def _custom_inputs(node: Any) -> Application | None:
    """Find the inputs of a custom Function among what it saved, by the edges they belong to."""
    if not all(node.needs_input_grad) or len(node.needs_input_grad) != len(node.next_functions):
        return None
    values = [v for _, v, state in nodes.saved(node) if state == "ok"]
    edges = {}
    for tensor in values:
        if isinstance(tensor, torch.Tensor) and tensor.requires_grad:
            edge = naming.gradient_edge(tensor)
            edges[edge.node, edge.output_nr] = tensor
    inputs = tuple(edges.get((target, number)) for target, number in node.next_functions)
    if any(tensor is None for tensor in inputs):
        return None
    return Application("", type(node)._forward_cls.apply, inputs, {})


def _saved_inputs(node: Any) -> Application | None:
    """Make up the call of torch's own op from what its node saved."""
    entry = table.table().get(nodes.name(node))
    if entry is None:
        return None
    with torch_private.DisableTorchFunction():
        states = list(nodes.saved(node))
    saved = {name: value for name, value, state in states if state == "ok"}
    function = _operator(entry.schema)
    if function is None or len(saved) < len(states):
        return None
    made = _arguments(node, function, saved, rule.inputs_of(entry))
    if made is None or (made.missing and any(name.startswith("result") for name in saved)):
        return None
    note = f"{', '.join(made.missing)} was not saved, as the rule does not need it: random numbers."
    return Application("", function, made.args, made.kwargs, (note,) if made.missing else ())


def _operator(schema: str) -> Any:
    """Return torch's operator of a schema's name; None for none, and for one in place."""
    base, _, overload = schema.partition(".")
    if base.endswith("_"):
        return None
    return getattr(getattr(torch.ops.aten, base, None), overload or "default", None)


class Arguments(NamedTuple):
    """The arguments of a recorded call."""

    args: list[Any]
    kwargs: dict[str, Any]
    missing: list[str]
    """Those that had to be made up."""


def _arguments(
    node: Any, function: Any, saved: dict[str, Any], inputs: list[str]
) -> Arguments | None:
    """Return the arguments that a node's forward had, or None if they cannot be had."""
    edges = dict(zip(inputs, node.next_functions, strict=False))
    made = Arguments([], {}, [])
    for argument in function._schema.arguments:
        name = argument.name
        target, number = edges.get(name, (None, 0))
        value = saved.get(name)
        if name not in saved or (value is None and str(argument.type) == "Tensor"):
            if target is not None:
                value = _made_up(target, int(number))
                made.missing.append(name)
            elif argument.has_default_value():
                value = argument.default_value
            else:
                return None
        if argument.kwarg_only:
            made.kwargs[name] = value
        else:
            made.args.append(value)
    return made


def _made_up(target: Any, number: int) -> torch.Tensor:
    about = target._input_metadata[number]
    dice = torch.Generator().manual_seed(0)
    made = torch.rand(tuple(about.shape), generator=dice, dtype=torch.float64)
    return made.to(about.device).requires_grad_()
