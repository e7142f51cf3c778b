"""Records as Python: what is shown, as text that can be typed again.

A tensor whose values are all on the screen becomes ``torch.tensor([...])`` of the figures as they
are shown; of a larger one only the facts are known, so it becomes ``torch.empty`` of its shape.
"""

from __future__ import annotations

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
    start = f"torch.tensor({_figures(info.values)}" if whole else f"torch.empty({info.shape!r}"
    return f"{start}, {', '.join(options)})"


def _figures(values: str) -> str:
    """Return values as Python reads them: nan and inf are no names there."""
    return _ODD.sub(r'float("\1")', values)


def _number(value: float | None) -> str:
    if value is not None and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def _tensors(infos: Iterable[model.TensorInfo | None]) -> str:
    return "[" + ", ".join(map(tensor, infos)) + "]"


def _dict(pairs: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key!r}: {value}" for key, value in pairs.items()) + "}"


def record(shown: model.Record | None) -> str:
    """Return what the inspector shows as a Python expression; empty when it shows nothing."""
    match shown:
        case model.TensorInfo():
            return tensor(shown)
        case model.Op():
            return _dict({
                "op": repr(shown.id), "name": repr(shown.name), "site": _site(shown.site),
                "module": repr(shown.module), "inputs": _tensors(shown.inputs),
                "outputs": _tensors(shown.outputs),
            })  # fmt: skip
        case model.Node():
            saved = {each.name: tensor(each.tensor) if each.tensor else repr(each.value)
                     for each in shown.saved}  # fmt: skip
            return _dict({
                "node": repr(shown.id), "name": repr(shown.name), "label": repr(shown.label),
                "grad_in": _tensors(shown.grad_in), "grad_out": _tensors(shown.grad_out),
                "saved": _dict(saved),
            })  # fmt: skip
        case model.Stop():
            return _dict({"raised": repr(shown.exception), "site": _site(shown.site)})
    return ""


def _site(site: model.Site | None) -> str:
    return repr(f"{site.file}:{site.line}" if site else "")


def row(shown: object) -> str:
    """Return one row of a list: an op or a node as a tuple, any other as a dict of its facts."""
    if isinstance(shown, model.OpRow):
        return repr((shown.id, shown.name, shown.shape, shown.dtype, shown.module, shown.line))
    if isinstance(shown, model.NodeRow):
        facts = (shown.id, shown.name, shown.label, shown.state, shown.shape)
        return f"{repr(facts)[:-1]}, {_number(shown.norm)})"
    return value(shown)


def value(shown: object) -> str:
    """Return a number, a text, or a record or tuple of them as an expression."""
    names = getattr(shown, "__struct_fields__", None) or getattr(shown, "_fields", None)
    if names:
        return _dict({name: value(getattr(shown, name)) for name in names})
    if isinstance(shown, tuple):
        return "(" + "".join(f"{value(each)}, " for each in shown).strip() + ")"
    if isinstance(shown, float):
        return _number(shown)
    return repr(shown) if isinstance(shown, (str, bytes, int)) else "None"


def lines(parts: Iterable[str]) -> str:
    """Return several expressions as a list, one to a line."""
    return "[\n" + "".join(f"    {part},\n" for part in parts) + "]"
