"""Errors of autograd with the tensor that they are about by its name, its line, and what to do.

Torch's messages name no tensor. The line that failed does: Python knows which part of it ran, and
what is written there is looked up without running anything.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import types
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from msgspec import structs
from torch import nn

from gradrepl.engine.code import evaluate
from gradrepl.engine.modules.reach import Optimizers, strays
from gradrepl.engine.tensor import facts, figures, hooks, report
from gradrepl.engine.tensor import names as engine_names
from gradrepl.model import Error

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place


class Line(NamedTuple):
    """The part of a line that failed."""

    tree: ast.AST
    frame: types.FrameType

    def found(self) -> Iterator[tuple[str, Any]]:
        """Yield what is written there and can be looked up: (text, value), in order."""
        todo: list[ast.AST] = [self.tree]
        while todo:
            node = todo.pop(0)
            value = _value(node, self.frame)
            if isinstance(value, (torch.Tensor, nn.Module, list, tuple, dict)):
                yield ast.unparse(node), value
            else:
                todo = [*ast.iter_child_nodes(node), *todo]

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield the tensors, also those in lists, tuples and dicts."""
        for name, value in self.found():
            if isinstance(value, torch.Tensor):
                yield name, value
            elif isinstance(value, (list, tuple)):
                for place, each in enumerate(islice(value, 64)):
                    if isinstance(each, torch.Tensor):
                        yield f"{name}[{place}]", each

    def modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the modules."""
        yield from ((name, each) for name, each in self.found() if isinstance(each, nn.Module))


def _value(node: ast.AST, frame: types.FrameType) -> Any:
    """Return what a name, an attribute or an element is, or None; runs no code of anybody's."""
    match node:
        case ast.Name(id=name):
            return frame.f_locals.get(name, frame.f_globals.get(name))
        case ast.Attribute(value=inner, attr=name):
            owner = _value(inner, frame)
            spaces = [getattr(owner, "__dict__", None)] if owner is not None else []
            if isinstance(owner, nn.Module):
                spaces += [owner._parameters, owner._buffers, owner._modules]
            return next((s[name] for s in spaces if isinstance(s, dict) and name in s), None)
        case ast.Subscript(value=inner, slice=ast.Constant(value=key)):
            owner = _value(inner, frame)
            if type(owner) in (list, tuple) and isinstance(key, int):
                return owner[key] if -len(owner) <= key < len(owner) else None
            return owner.get(key) if type(owner) is dict else None
    return None


def line_of(exception: BaseException) -> Line | None:
    """Return the part of the user's line that raised, or None where that cannot be known."""
    tb = evaluate.users(exception.__traceback__, last=True)
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return None if tb is None else line_at(tb.tb_frame, tb.tb_lasti)


def line_at(frame: types.FrameType, lasti: int) -> Line | None:
    """Return the part of a line that an instruction of a frame came from, or None."""
    code = frame.f_code
    where = next(islice(code.co_positions(), lasti // 2, None), None)
    if where is None or None in where:
        return None
    first, last, begin, end = where
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    part = [text.encode() for text in lines[first - 1 : last]]  # type: ignore[operator]
    if not part:
        return None
    part[-1] = part[-1][:end]
    part[0] = part[0][begin:]
    try:
        tree = ast.parse(b"".join(part).decode())
    except (SyntaxError, ValueError):
        return None
    return Line(tree, frame)


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


def name_the_tensor(
    error: Error, exception: BaseException, session: Session, place: Place
) -> Error:  # fmt: skip
    """Return ``error`` with a hint that names what it is about, where that can be found out."""
    explain = next((e for part, e in EXPLAINED.items() if part in error.message), None)
    line = line_of(exception) if explain is not None else None
    if explain is None or line is None:
        return error
    with figures.quiet():
        hint = explain(Asked(line, session, place, error.message))
    return structs.replace(error, hint=hint) if hint else error


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


EXPLAINED: dict[str, Callable[[Asked], str]] = {
    "you can only change requires_grad flags of leaf": _frozen_flag,
    "can require gradients": _no_dtype,
    "Can't call numpy() on Tensor that requires grad": _numpy,
    "is being used in an in-place operation": _in_place,
    "support the deepcopy protocol": _deepcopy,
    "can't optimize a non-leaf Tensor": _optimize,
    "optimizer got an empty parameter list": _empty,
    "nference tensors cannot be saved for backward": _inference,
    "nplace update to inference tensor": _inference,
    "requires_grad=True on inference tensor": _inference,
    "A view was created in no_grad mode": _view_without_grad,
    "This view was created inside a custom Function": _hooked,
    "incorrect number of gradients": _returned,
    "returned an invalid gradient at index": _returned,
    "does not require grad and does not have a grad_fn": _without_grad,
    "differentiated Tensors does not require grad": _without_grad,
    "can't retain_grad on Tensor": _without_grad,
    "cannot register a hook on a tensor that doesn't": _without_grad,
    "hooks cannot be registered on non-leaf tensors": _not_leaf,
    "grad can be implicitly created only for scalar": _not_scalar,
    "appears to not have been used in the graph": _unused,
}
"""By a stable part of torch's message; each returns '' where it cannot tell."""


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
        tensor = _value(tree.value, held)  # type: ignore[arg-type]
    if not isinstance(tensor, torch.Tensor):
        return ""
    with figures.quiet():
        if (facts.is_leaf(tensor) or tensor.retains_grad) and tensor.grad is not None:
            return ""
        name = ast.unparse(tree.value)
        _, why = report.gradient(tensor, name, session, place)
    return f"{name}.grad is {why}"
