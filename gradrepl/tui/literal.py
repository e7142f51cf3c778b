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


def record(shown: model.Record | None) -> str:
    """Return what the inspector shows as a Python expression; empty when it shows nothing."""
    site = getattr(shown, "site", None)
    place = f"{site.file}:{site.line}" if site else ""
    facts: dict[str, object]
    match shown:
        case model.Op():
            facts = {"op": shown.id, "name": shown.name, "site": place, "module": shown.module}
            facts |= {"inputs": [*shown.inputs], "outputs": [*shown.outputs]}
        case model.Node():
            facts = {"node": shown.id, "name": shown.name, "label": shown.label}
            facts |= {"grad_in": [*shown.grad_in], "grad_out": [*shown.grad_out]}
            facts["saved"] = {each.name: each.tensor or each.value for each in shown.saved}
        case model.Stop():
            facts = {"raised": shown.exception, "site": place}
        case _:
            return tensor(shown) if isinstance(shown, model.TensorInfo) else ""
    return value(facts)


def row(shown: object) -> str:
    """Return one row of a list: an op or a node as a tuple, any other as a dict of its facts."""
    match shown:
        case model.OpRow():
            facts = shown.id, shown.name, shown.shape, shown.dtype, shown.module, shown.line
            return value(facts)
        case model.NodeRow():
            return value((shown.id, shown.name, shown.label, shown.state, shown.shape, shown.norm))
    return value(shown)


def value(shown: object) -> str:
    """Return a number, a text, a tensor's facts, or a record or group of them as an expression."""
    names = getattr(shown, "__struct_fields__", None) or getattr(shown, "_fields", None)
    if isinstance(shown, model.TensorInfo):
        return tensor(shown)
    if names:
        return value({name: getattr(shown, name) for name in names})
    match shown:
        case dict():
            return "{" + ", ".join(f"{key!r}: {value(each)}" for key, each in shown.items()) + "}"
        case list():
            return f"[{', '.join(map(value, shown))}]"
        case tuple():
            return "(" + "".join(f"{value(each)}, " for each in shown).strip() + ")"
        case float() if not math.isfinite(shown):
            return f'float("{shown}")'
        case str() | bytes() | int() | float():
            return repr(shown)
    return "None"


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
