"""Records as Python: what is shown, as text that can be typed again; and what ``e`` begins to type.

A tensor whose values are all on the screen becomes ``torch.tensor([...])`` of the figures as they
are shown; of a larger one only the facts are known, so it becomes ``torch.empty`` of its shape.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable

from gradrepl import model

_ODD = re.compile(r"(?<![\w.])(nan|inf)\b")


def tensor(info: model.TensorInfo | None) -> str:
    """Return an expression that makes a tensor of these facts."""
    if info is None:
        return "None"
    options = [f"dtype=torch.{info.dtype.removeprefix('torch.')}"]
    if info.layout != "strided":
        options.append(f"layout=torch.{info.layout.removeprefix('torch.')}")
    if info.device != "cpu":
        options.append(f"device={info.device!r}")
    if info.requires_grad and info.is_leaf:
        options.append("requires_grad=True")
    whole = info.values and "…" not in info.values and 0 not in info.shape
    values = _ODD.sub(r'float("\1")', info.values)  # nan and inf are no names in Python
    start = f"torch.tensor({values}" if whole else f"torch.empty({info.shape!r}"
    return f"{start}, {', '.join(options)})"


def _dict(**values: str) -> str:
    return "{" + ", ".join(f"{key!r}: {value}" for key, value in values.items()) + "}"


def _tensors(infos: Iterable[model.TensorInfo | None]) -> str:
    return "[" + ", ".join(map(tensor, infos)) + "]"


def record(shown: model.Record | None) -> str:
    """Return what the inspector shows as a Python expression; empty when it shows nothing."""
    site = getattr(shown, "site", None)
    place = repr(f"{site.file}:{site.line}" if site else "")
    match shown:
        case model.TensorInfo():
            return tensor(shown)
        case model.Op():
            return _dict(
                op=repr(shown.id),
                name=repr(shown.name),
                site=place,
                module=repr(shown.module),
                inputs=_tensors(shown.inputs),
                outputs=_tensors(shown.outputs),
            )
        case model.Node():
            saved = {
                each.name: tensor(each.tensor) if each.tensor else repr(each.value)
                for each in shown.saved
            }
            return _dict(
                node=repr(shown.id),
                name=repr(shown.name),
                label=repr(shown.label),
                grad_in=_tensors(shown.grad_in),
                grad_out=_tensors(shown.grad_out),
                saved=_dict(**saved),
            )
        case model.Stop():
            return _dict(raised=repr(shown.exception), site=place)
    return ""


def row(shown: object) -> str:
    """Return one row of a list: an op or a node as a tuple, any other as a dict of its facts."""
    match shown:
        case model.OpRow():
            return repr((shown.id, shown.name, shown.shape, shown.dtype, shown.module, shown.line))
        case model.NodeRow():
            facts = (shown.id, shown.name, shown.label, shown.state, shown.shape)
            return f"{repr(facts)[:-1]}, {value(shown.norm)})"
    return value(shown)


def value(shown: object) -> str:
    """Return a number, a text, or a record or tuple of them as an expression."""
    names = getattr(shown, "__struct_fields__", None) or getattr(shown, "_fields", None)
    if names:
        return _dict(**{name: value(getattr(shown, name)) for name in names})
    if isinstance(shown, tuple):
        return "(" + "".join(f"{value(each)}, " for each in shown).strip() + ")"
    if isinstance(shown, float) and not math.isfinite(shown):
        return f'float("{shown}")'
    return repr(shown) if isinstance(shown, (str, bytes, int, float)) else "None"


def lines(parts: Iterable[str]) -> str:
    """Return several expressions as a list, one to a line."""
    return "[\n" + "".join(f"    {part},\n" for part in parts) + "]"


# -- what ``e`` begins to type: the left side of an assignment that changes the run ----------------


def target(stop: model.Stop | None) -> str:
    """Return the left side of an assignment that truly changes what runs on from ``stop``.

    Before a node its incoming gradients can be exchanged. The result of an op is already on its
    way to the user's variable, so it is changed in place. Before an op runs, variables can be.
    """
    match stop:
        case None | model.Stop(phase="exception"):
            return ""
        case model.Stop(phase="backward", node=node):
            grads = node.grad_in if node is not None else ()
            index = next((i for i, grad in enumerate(grads) if grad is not None), 0)
            return f"grad_in[{index}] = "
        case model.Stop(when="after", op=model.Op(outputs=outputs)) if outputs:
            return "out.data[...] = " if len(outputs) == 1 else "outputs[0].data[...] = "
    name = variable(stop.site.text if stop.site else "")
    return f"{name} = " if name else ""


def variable(line: str) -> str:
    """Return the first variable that a line of source reads, or nothing."""
    try:
        nodes = [*ast.walk(ast.parse(line.strip()))]
    except SyntaxError:
        return ""
    called = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    called |= {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in called:
            return node.id
    return ""
