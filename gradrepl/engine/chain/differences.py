"""Finite differences in float64, on copies: what ``:verify`` compares a derivative with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from gradrepl.engine.chain.unseen import contained
from gradrepl.engine.code.evaluate import first_line
from gradrepl.engine.forward.calls import tensors_in
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Graph
from gradrepl.errors import StateError
from gradrepl.model import Checked

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
        self.complex = any(tensor.is_complex() for tensor in tensors)
        floats = {id(each): each for each in tensors if _derived(each)}
        wanted = {key for key, tensor in floats.items() if tensor.requires_grad} or set(floats)
        self._pairs: set[int] = set()
        """Complex tensors: what is copied of them are pairs of real numbers."""
        self._copied: dict[int, torch.Tensor] = {}
        self.inputs: list[torch.Tensor] = []
        self.names: list[str] = []
        for tensor in tensors:
            copy = tensor.detach().clone(memory_format=torch.contiguous_format)
            copy = _wide(copy) if id(tensor) in floats else copy
            self._pairs |= {id(tensor)} if tensor.is_complex() else set()
            self._copied[id(tensor)] = copy
            if id(tensor) in wanted:
                self.names.append(name_of(tensor) or f"input {len(self.names)}")
                self.inputs.append(copy.requires_grad_())

    def fresh(self) -> tuple[Any, Any]:
        """Return arguments that may be written to in place."""
        copies = {key: copy.clone() for key, copy in self._copied.items()}
        copies |= {key: torch.view_as_complex(copies[key]) for key in self._pairs}
        return _replaced(self._args, copies), _replaced(self._kwargs, copies)


def _replaced(value: Any, copies: dict[int, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return copies[id(value)]
    if isinstance(value, (list, tuple)):
        made = [_replaced(item, copies) for item in value]
        return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)
    if isinstance(value, dict):
        return {key: _replaced(item, copies) for key, item in value.items()}
    if not isinstance(value, torch.dtype):
        return value
    return torch.complex128 if value.is_complex else torch.float64 if value in _FLOATS else value


def _derived(tensor: torch.Tensor) -> bool:
    """Can it have a derivative?"""
    return tensor.is_floating_point() or tensor.is_complex()


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor in float64; a complex one as pairs of real numbers."""
    if not tensor.is_complex():
        return tensor.to(torch.float64)
    return torch.view_as_real(tensor.to(torch.complex128).resolve_conj()).contiguous()


class Function:
    """A function of copies, run as often as it takes."""

    def __init__(self, function: Callable[..., Any], copies: Copies) -> None:
        self._function, self.copies = function, copies
        self.runs = 0
        self.named = list(zip(copies.names, copies.inputs, strict=True))
        """Its inputs, by what they are called."""
        self.custom = False
        """Is any of its nodes that of a Function written in Python?"""

    def __call__(self) -> list[torch.Tensor]:
        """Return the outputs of floating point; complex ones as pairs of real numbers."""
        self.runs += 1
        args, kwargs = self.copies.fresh()
        try:
            result = self._function(*args, **kwargs)
        except RuntimeError as error:
            raise StateError(f"it cannot run in float64: {first_line(error)}") from error
        outputs = [
            torch.view_as_real(each.resolve_conj()) if each.is_complex() else each
            for each in tensors_in(result)
            if _derived(each)
        ]
        if self.runs == 1:
            starts = [each.grad_fn for each in outputs if each.grad_fn is not None]
            self.custom = any(map(nodes.is_custom, Graph(starts).nodes))
        return outputs


class Slope(Function):
    """The first derivative of a function, by each of its inputs: of a fixed mix of its outputs."""

    def __init__(self, function: Function) -> None:
        super().__init__(function._function, function.copies)
        self._of = function
        self._weights: list[torch.Tensor] = []
        """The gradients that arrive at the outputs: they are inputs of a backward, too."""

    def __call__(self) -> list[torch.Tensor]:
        """Return the gradients, which depend on the inputs as far as autograd knows."""
        inputs = self.copies.inputs
        with torch.enable_grad():
            outputs = [each for each in self._of() if each.requires_grad]
            self.runs = self._of.runs
            if not self._weights:
                self._weights = list(map(_weights, outputs))
                self.named += [("the gradient that arrives", each) for each in self._weights]
            grads = torch.autograd.grad(
                outputs, inputs, self._weights, create_graph=True, materialize_grads=True
            )
            made = Graph([grad.grad_fn for grad in grads if grad.grad_fn is not None])
            if any(nodes.name(node) == "Error" for node in made.nodes):
                raise StateError("a part of it is marked with once_differentiable.")
            every = (*inputs, *self._weights)
            nothing = sum((each * 0).sum() for each in every)  # none of them is a constant
            return [grad + nothing for grad in grads]

    def of(self, output: str) -> str:
        """Return the input that 'output 1' is the derivative by."""
        number = output.removeprefix("output").strip()
        return self.copies.names[int(number or 0)]


def _weights(output: torch.Tensor) -> torch.Tensor:
    """Return other weights for each element, so that none is cancelled by another.

    They require a gradient: without, a backward that is not to be differentiated does not say so.
    """
    places = torch.arange(output.numel(), dtype=output.dtype, device=output.device)
    return (1 + (places * 0.7).sin() / 2).view(output.shape).requires_grad_()


def compare(function: Function) -> list[Checked]:
    """Return for each input and output how far the two Jacobians are apart.

    Raises:
        StateError: there is nothing to compare, or the function is not the same each time.
    """
    with contained(), torch.inference_mode(False), torch.enable_grad():
        outputs = function()
        _check(function, outputs)
        made = [n for n, each in enumerate(outputs) if each.requires_grad and each.numel()]
        named = function.named
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
    if not function.named:
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
