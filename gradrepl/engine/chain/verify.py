"""``:verify``: is a local derivative right? Compared with finite differences in float64, on copies.

The inputs are those of the op that we stand behind, those of a call that is typed, or what a node
saved: of torch's own nodes by the names of their forward's arguments, of a custom Function's where
each edge's tensor is among the saved ones. Where they are not to be had, it is said.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from gradrepl import protocol as p
from gradrepl.engine import torch_private
from gradrepl.engine.chain import naming, rule, table
from gradrepl.engine.chain.unseen import contained
from gradrepl.engine.code.evaluate import first_line
from gradrepl.engine.forward.calls import tensors_in
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
    checks = compare(function)
    parts = [] if all(each.complete for each in checks) else ["not every element was compared."]
    return Verified(
        what=applied.name,
        passed=all(each.passed for each in checks),
        checks=tuple(checks),
        notes=(*applied.notes, *parts, f"run {function.runs} times on copies in float64."),
    )


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


# -- finite differences ----------------------------------------------------------------------------

STEP, ABSOLUTE, RELATIVE = 1e-6, 1e-5, 1e-3
"""As ``torch.autograd.gradcheck`` has them."""
INPUTS, OUTPUTS = 256, 64
"""Elements of each input and output that are compared; evenly spread where there are more."""


_FLOATS = (torch.float32, torch.float16, torch.bfloat16)


class Copies:
    """Arguments of a call as float64 copies that nothing of the user's knows."""

    def __init__(self, args: Any, kwargs: Any, name_of: Callable[[Any], str]) -> None:
        self._args, self._kwargs = args, kwargs
        tensors = list(dict.fromkeys(tensors_in((args, kwargs))))
        if any(tensor.is_complex() for tensor in tensors):
            raise StateError("complex inputs are not checked.", "Check the real part alone.")
        floats = {id(tensor): tensor for tensor in tensors if tensor.is_floating_point()}
        wanted = {key for key, tensor in floats.items() if tensor.requires_grad} or set(floats)
        self._copied: dict[int, torch.Tensor] = {}
        self.inputs: list[torch.Tensor] = []
        self.names: list[str] = []
        for tensor in tensors:
            copy = tensor.detach().clone(memory_format=torch.contiguous_format)
            copy = copy.to(torch.float64) if id(tensor) in floats else copy
            self._copied[id(tensor)] = copy
            if id(tensor) in wanted:
                self.names.append(name_of(tensor) or f"input {len(self.names)}")
                self.inputs.append(copy.requires_grad_())

    def fresh(self) -> tuple[Any, Any]:
        """Return arguments that may be written to in place."""
        copies = {key: copy.clone() for key, copy in self._copied.items()}
        return _replaced(self._args, copies), _replaced(self._kwargs, copies)


def _replaced(value: Any, copies: dict[int, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return copies[id(value)]
    if isinstance(value, (list, tuple)):
        made = [_replaced(item, copies) for item in value]
        return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)
    if isinstance(value, dict):
        return {key: _replaced(item, copies) for key, item in value.items()}
    return torch.float64 if isinstance(value, torch.dtype) and value in _FLOATS else value


class Function:
    """A function of copies, run as often as it takes."""

    def __init__(self, function: Callable[..., Any], copies: Copies) -> None:
        self._function, self.copies = function, copies
        self.runs = 0

    def __call__(self) -> list[torch.Tensor]:
        """Return the outputs of floating point."""
        self.runs += 1
        args, kwargs = self.copies.fresh()
        try:
            result = self._function(*args, **kwargs)
        except RuntimeError as error:
            raise StateError(f"it cannot run in float64: {first_line(error)}") from error
        return [each for each in tensors_in(result) if each.is_floating_point()]


def compare(function: Function) -> list[Checked]:
    """Return for each input and output how far the two Jacobians are apart.

    Raises:
        StateError: there is nothing to compare, or the function is not the same each time.
    """
    with contained(), torch.inference_mode(False), torch.enable_grad():
        outputs = function()
        _check(function, outputs)
        made = [n for n, each in enumerate(outputs) if each.requires_grad and each.numel()]
        named = list(zip(function.copies.names, function.copies.inputs, strict=True))
        # The backward first: it wants the inputs as they were.
        analytic = {
            (id(tensor), number): _analytic(tensor, outputs[number])
            for _, tensor in named
            for number in made
        }
        checks = []
        for name, tensor in named:
            if not tensor.numel():
                continue
            numeric = _numeric(function, tensor, outputs)
            for number in made:
                jacobians = Jacobians(
                    tensor, outputs[number], analytic[id(tensor), number], numeric[number]
                )
                label = f"output {number}" if len(outputs) > 1 else "output"
                checks.append(jacobians.worst(name, label))
    return checks


def _check(function: Function, outputs: list[torch.Tensor]) -> None:
    if not function.copies.inputs:
        raise StateError("none of its inputs is of floating point: there is no derivative.")
    if not any(output.requires_grad for output in outputs):
        raise StateError("nothing that it returns has a derivative.")
    state = torch.get_rng_state()
    pairs = zip(outputs, function(), strict=True)
    same = all(torch.equal(a, b) or bool((a.isnan() & b.isnan()).any()) for a, b in pairs)
    if not same or not torch.equal(torch.get_rng_state(), state):
        raise StateError("it is random: not checked.", "Fix its mask, or take it in eval mode.")


def _chosen(size: int, most: int) -> list[int]:
    return list(range(size)) if size <= most else [n * size // most for n in range(most)]


def _numeric(
    function: Function, tensor: torch.Tensor, like: list[torch.Tensor]
) -> list[torch.Tensor]:
    """Return, for each output, rows of its chosen elements by columns of the input's."""
    flat = tensor.detach().view(-1)
    columns: list[list[torch.Tensor]] = [[] for _ in like]
    for element in _chosen(flat.numel(), INPUTS):
        kept = float(flat[element])
        with torch.no_grad():
            flat[element] = kept + STEP
            above = [output.detach().clone() for output in function()]
            flat[element] = kept - STEP
            below = [output.detach() for output in function()]
            flat[element] = kept
        for number, (high, low) in enumerate(zip(above, below, strict=True)):
            change = (high.double() - low.double()).reshape(-1) / (2 * STEP)
            columns[number].append(change[_chosen(change.numel(), OUTPUTS)])
    return [torch.stack(each, 1) if each else torch.empty(0) for each in columns]


def _analytic(tensor: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    picked = _chosen(tensor.numel(), INPUTS)
    rows = []
    for element in _chosen(output.numel(), OUTPUTS):
        unit = torch.zeros_like(output)
        unit.view(-1)[element] = 1
        (grad,) = torch.autograd.grad(
            output, tensor, unit, retain_graph=True, materialize_grads=True
        )
        rows.append(grad.reshape(-1)[picked].double())
    return torch.stack(rows)


class Jacobians(NamedTuple):
    """The chosen elements of one output's derivative by one input, found in two ways."""

    input: torch.Tensor
    output: torch.Tensor
    analytic: torch.Tensor
    numeric: torch.Tensor

    def worst(self, name: str, label: str) -> Checked:
        """Return the record of the element at which the two are farthest apart."""
        apart = (self.analytic - self.numeric).abs().nan_to_num(nan=math.inf)
        row, column = divmod(int(apart.argmax()), apart.shape[1])
        error, exact = float(apart[row, column]), float(self.numeric[row, column])
        inside = _chosen(self.input.numel(), INPUTS)[column]
        outside = _chosen(self.output.numel(), OUTPUTS)[row]
        return Checked(
            input=name,
            output=label,
            max_error=error if math.isfinite(error) else None,
            relative=error / abs(exact) if exact and math.isfinite(error) else None,
            index=_index(inside, self.input),
            output_index=_index(outside, self.output),
            analytic=float(self.analytic[row, column]),
            numeric=exact,
            elements=apart.numel(),
            complete=apart.numel() == self.input.numel() * self.output.numel(),
            passed=bool((apart <= ABSOLUTE + RELATIVE * self.numeric.abs()).all()),
        )


def _index(place: int, tensor: torch.Tensor) -> tuple[int, ...]:
    index = torch.unravel_index(torch.tensor(place), tensor.shape)
    return tuple(int(each) for each in index)
