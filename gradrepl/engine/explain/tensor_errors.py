"""Errors of autograd with the tensor that they are about by its name, its line, and what to do.

Torch's messages name no tensor. The line that failed does: Python knows which part of it ran, and
what is written there is looked up without running anything.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from msgspec import structs

from gradrepl.engine.explain.failed_line import Line, line_of, value_of
from gradrepl.engine.graph.nodes import STALE
from gradrepl.engine.modules.reach import Optimizers, strays
from gradrepl.engine.tensor import facts, figures, hooks, report
from gradrepl.engine.tensor import names as engine_names
from gradrepl.model import Error

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place


class Asked(NamedTuple):
    """One error, and what may be looked at to say more about it."""

    line: Line
    session: Session
    place: Place
    message: str

    def first(self, test: Callable[[torch.Tensor], bool]) -> tuple[str, torch.Tensor] | None:
        """Return the first tensor on the line for which ``test`` holds."""
        return next(((n, t) for n, t in self.line.tensors() if test(t)), None)

    def why(self, name: str, tensor: torch.Tensor) -> str:
        """Return "'h' is no leaf: relu (train.py:27) computed it ..."."""
        record = report.everything(tensor, name, self.session, self.place)
        return f"'{name}' is {record.leaf_why}"

    def maker(self, tensor: torch.Tensor) -> str:
        """Return ' by mul (train.py:3)', or '' where that was not recorded."""
        from gradrepl.engine.explain.leaf import said

        found = report.history_of(tensor, self.session).maker
        return f" by {said(found)}" if found is not None else ""


class Known(NamedTuple):
    """An error that everybody meets."""

    hint: str
    """What to do about it, whatever it is about."""
    tell: Callable[[Asked], str] | None = None
    """Says more, of the very tensors; '' where it cannot tell."""


def hint(error: Error) -> Error:
    """Return ``error`` with what to do about it, where that is known."""
    hints = (known.hint for part, known in KNOWN.items() if part in error.message)
    found = next(filter(None, hints), "")
    return structs.replace(error, hint=found) if found else error


def name_the_tensor(
    error: Error, exception: BaseException, session: Session, place: Place
) -> Error:
    """Return ``error`` with a hint that names what it is about, where that can be found out."""
    tells = (known.tell for part, known in KNOWN.items() if part in error.message)
    tell = next(filter(None, tells), None)
    line = line_of(exception) if tell is not None else None
    if tell is None or line is None:
        return error
    with figures.quiet():
        said = tell(Asked(line, session, place, error.message))
    return structs.replace(error, hint=said) if said else error


def _frozen_flag(asked: Asked) -> str:
    if found := asked.first(lambda t: not facts.is_leaf(t)):
        name, tensor = found
        return (
            f"{asked.why(name, tensor)} {name}.detach() is a tensor off the graph; to freeze a "
            "part of a model, set requires_grad of its leaves before the forward."
        )
    return ""


def _no_dtype(asked: Asked) -> str:
    if found := asked.first(lambda t: not (t.is_floating_point() or t.is_complex())):
        name, tensor = found
        dtype = facts.short(tensor.dtype)
        return (
            f"'{name}' has dtype {dtype}; it was made{asked.maker(tensor) or ' so'}. Make it a "
            f"float where it is made (dtype=torch.float32), or use {name}.float()."
        )
    return ""


def _numpy(asked: Asked) -> str:
    if found := asked.first(lambda t: t.requires_grad):
        name, tensor = found
        return (
            f"{asked.why(name, tensor)} {name}.detach().numpy() shares its memory: a write to "
            "the array changes the tensor, and autograd does not see it; "
            f"{name}.detach().clone().numpy() is a copy."
        )
    return ""


def _in_place(asked: Asked) -> str:
    for name, tensor in asked.line.tensors():
        base = tensor._base if tensor._is_view() else tensor
        if base is not None and facts.is_leaf(base) and base.requires_grad:
            what = "is a leaf" if base is tensor else "is a view of a leaf"
            return (
                f"'{name}' {what} that requires a gradient: its value would no longer be the one "
                "the graph was built on. Update it under torch.no_grad(), or make a new tensor."
            )
    return ""


def _deepcopy(asked: Asked) -> str:
    for name, tensor in asked.line.tensors():
        if not facts.is_leaf(tensor):
            return f"{asked.why(name, tensor)} Copy {name}.detach() instead."
    for name, root in asked.line.modules():
        for path, module in root.named_modules():
            kept = {**vars(module), **module._buffers, **module._parameters}
            for attribute, each in kept.items():
                if isinstance(each, torch.Tensor) and not facts.is_leaf(each):
                    where = ".".join(filter(None, (name, path, attribute)))
                    return f"{asked.why(where, each)} Detach or drop it before the copy."
    return ""


def _optimize(asked: Asked) -> str:
    if found := asked.first(lambda t: not facts.is_leaf(t)):
        name, tensor = found
        return (
            f"{asked.why(name, tensor)} Give the optimizer the leaf that it was computed from, or "
            f"{name} = {name}.detach().requires_grad_()."
        )
    return ""


def _empty(asked: Asked) -> str:
    for name, root in asked.line.modules():
        names = asked.session.names(asked.place.frame)
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


def _inference(asked: Asked) -> str:
    if found := asked.first(lambda t: t.is_inference()):
        name, tensor = found
        made = asked.maker(tensor)
        return (
            f"'{name}' was made under inference_mode{made}: {name}.clone() outside of it is a "
            "normal tensor; torch.no_grad() instead makes normal ones at once."
        )
    return ""


def _view_without_grad(asked: Asked) -> str:
    if found := asked.first(lambda t: t._is_view()):
        name, tensor = found
        return (
            f"'{name}' is a view made{asked.maker(tensor) or ' under no_grad'}: make the view and "
            "write to it both inside torch.no_grad(), or both outside."
        )
    return ""


def _hooked(asked: Asked) -> str:
    """Name the full backward hook without which there would be no view."""
    if "BackwardHookFunction" not in asked.message:
        return ""
    names = asked.session.names(asked.place.frame)
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


def _returned(asked: Asked) -> str:
    """Say what a custom Function's backward must return."""
    wanted = asked.message.partition("unction ")[2].partition("Backward ")[0]
    spaces = engine_names.namespaces(asked.place.frame, asked.session.space)
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


def _without_grad(asked: Asked) -> str:
    found = asked.first(lambda t: not t.requires_grad)
    return asked.why(*found) if found else ""


def _not_scalar(asked: Asked) -> str:
    if found := asked.first(lambda t: t.requires_grad and t.numel() != 1):
        name, tensor = found
        shape = tuple(tensor.shape)
        return (
            f"'{name}' has shape {shape}: use {name}.sum() or {name}.mean(), or give a gradient "
            f"of that shape: {name}.backward(torch.ones{shape})."
        )
    return ""


def _not_leaf(asked: Asked) -> str:
    found = asked.first(lambda t: not facts.is_leaf(t))
    return asked.why(*found) + " A leaf is the place for this hook." if found else ""


def _unused(asked: Asked) -> str:
    """Name the input, by its index in the call, and the root that does not lead to it."""
    number = asked.message.partition("at index ")[2].partition(" ")[0]
    call = next((n for n in ast.walk(asked.line.tree) if isinstance(n, ast.Call)), None)
    if call is None or not number.isdecimal():
        return ""
    given = {key.arg: key.value for key in call.keywords}
    inputs = call.args[1] if len(call.args) > 1 else given.get("inputs")
    root = call.args[0] if call.args else given.get("outputs")
    if isinstance(inputs, (ast.List, ast.Tuple)) and int(number) < len(inputs.elts):
        inputs = inputs.elts[int(number)]
    if inputs is None or root is None:
        return ""
    name, top = ast.unparse(inputs), ast.unparse(root)
    return (
        f"'{name}' is not on the way from '{top}' to its leaves: ':graph {top}' shows what is; "
        "allow_unused=True gives None for it."
    )


KNOWN = {
    STALE: Known(
        "A value that this backward needs was overwritten after the forward saved it: compute out "
        "of place, or clone it before the write."
    ),
    "backward through the graph a second time": Known(
        "The first backward freed this graph: run the forward again, or give the first one "
        "retain_graph=True if both are meant."
    ),
    "does not require grad and does not have a grad_fn": Known(
        "The way to the leaves is cut (detach, no_grad, item, an integer dtype) or no leaf "
        "requires a gradient; ':t NAME' tells about one.",
        _without_grad,
    ),
    "grad can be implicitly created only for scalar": Known(
        "Reduce it with .sum() or .mean(), or give backward a gradient of its shape.", _not_scalar
    ),
    "leaf Variable that requires grad is being used in an in-place": Known(
        "Wrap the update in torch.no_grad(), or make a new tensor.", _in_place
    ),
    "appears to not have been used in the graph": Known(
        "One of the inputs is not on the way; allow_unused=True gives None for it.", _unused
    ),
    "you can only change requires_grad flags of leaf": Known(
        "Use .detach() to get a tensor off the graph.", _frozen_flag
    ),
    "can require gradients": Known(
        "Only floating point and complex tensors have gradients: make it so with "
        "dtype=torch.float32.",
        _no_dtype,
    ),
    "Can't call numpy() on Tensor that requires grad": Known(
        "Use .detach().numpy(): the array shares memory, so a write to it changes the tensor "
        "unseen.",
        _numpy,
    ),
    "support the deepcopy protocol": Known(
        "A tensor that is no leaf cannot be deep-copied: detach it, or drop it before the copy.",
        _deepcopy,
    ),
    "can't optimize a non-leaf Tensor": Known(
        "It was computed (.to, * or another op): give the optimizer the leaf itself; ':leaf NAME' "
        "tells about one.",
        _optimize,
    ),
    "optimizer got an empty parameter list": Known(
        "Layers in a plain list are not seen: use nn.ModuleList; ':mods' shows which parameters "
        "are in no module.",
        _empty,
    ),
    "attempting to assign a gradient of size": Known("A gradient has the shape of its tensor."),
    "attempting to assign a gradient with dtype": Known("A gradient has the dtype of its tensor."),
    "nference tensors cannot be saved for backward": Known(
        "Clone it outside of inference_mode, or make it under torch.no_grad().", _inference
    ),
    "nplace update to inference tensor": Known(
        "Clone it outside of inference_mode, or make it under torch.no_grad().", _inference
    ),
    "function that returns multiple views": Known(
        "Write out of place, or clone this one of the views (split, unbind, chunk) first."
    ),
    "A view was created in no_grad mode": Known(
        "Make the view and write to it both inside torch.no_grad(), or both outside.",
        _view_without_grad,
    ),
    "This view was created inside a custom Function": Known(
        "Clone it before the write, or do not write in place (inplace=False).", _hooked
    ),
    "incorrect number of gradients": Known(
        "backward returns one gradient, or None, for each argument of forward.", _returned
    ),
    "returned an invalid gradient at index": Known(
        "A gradient has the shape of its input: sum over the dimensions along which the forward "
        "broadcast it.",
        _returned,
    ),
    "as parameter '": Known(
        "A Parameter stays one: write into it under torch.no_grad() with copy_(), or wrap the new "
        "value in nn.Parameter."
    ),
    "differentiated Tensors does not require grad": Known(
        "':leaf NAME' tells why one does not.", _without_grad
    ),
    "can't retain_grad on Tensor": Known(
        "':leaf NAME' tells why it does not require a gradient.", _without_grad
    ),
    "cannot register a hook on a tensor that doesn't": Known(
        "':leaf NAME' tells why it does not.", _without_grad
    ),
    "hooks cannot be registered on non-leaf tensors": Known(
        "register_hook is for tensors that are no leaves.", _not_leaf
    ),
    "Expected all tensors to be on the same device": Known(
        "Move the odd one with .to(device); ':t NAME' shows each tensor's device."
    ),
    "must have the same dtype": Known("Cast one with .to(dtype); numpy's default is float64."),
    "shapes cannot be multiplied": Known(
        "The last size of the first must equal the first size of the second; ':t NAME' shows "
        "shapes."
    ),
    "requires_grad=True on inference tensor": Known("", _inference),
}
"""By a stable part of torch's message."""


def none_grad(source: str, session: Session, place: Place) -> str:
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
