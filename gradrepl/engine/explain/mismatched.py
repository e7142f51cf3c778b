"""Errors about tensors of two devices or dtypes, with each argument's, and the line that made it.

The frames that raised still hold the arguments. What a name or an attribute on the failing line is
gets looked up without running anything; the names are those of the user.
"""

from __future__ import annotations

import ast
import linecache
import os
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import torch

from gradrepl.engine.code import evaluate, frames
from gradrepl.engine.explain.failed_line import Failure, Line, frame_of, line_at
from gradrepl.engine.explain.no_gradient import describe_op
from gradrepl.engine.tensor import facts, report

if TYPE_CHECKING:
    from gradrepl.engine.tensor.names import Names

WORDS = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bfloat16": "bfloat16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
    "bool": "bool",
    "complexfloat": "complex64",
    "complexdouble": "complex128",
}
"""Torch's words for dtypes in its messages, in lower case."""
INSIDE = " in torch's "
Given = tuple[str, torch.Tensor]
Fact = Callable[[torch.Tensor], str]


def name_the_device(failure: Failure) -> str:
    """Tell each argument's device, and the odd one."""
    return _name_the_odd_one(failure, _device, set())


def name_the_dtype(failure: Failure) -> str:
    """Tell each argument's dtype, and the odd one."""
    return _name_the_odd_one(failure, _dtype, _dtypes_in(failure.message))


def name_the_type(failure: Failure) -> str:
    """Do either, for a convolution: its message tells types that have both."""
    if "Input type" not in failure.message:
        return ""
    devices = failure.message.count("torch.cuda.") == 1
    return name_the_device(failure) if devices else name_the_dtype(failure)


def _name_the_odd_one(failure: Failure, fact: Fact, named: set[str]) -> str:
    entry = frame_of(failure.raised)
    names = failure.session.names(failure.place.frame if entry is None else entry.tb_frame)
    given = _mixed(failure.raised, fact, names, named)
    return _told(given, fact, failure) if given else ""


def _device(tensor: torch.Tensor) -> str:
    return str(tensor.device)


def _dtype(tensor: torch.Tensor) -> str:
    return facts.short(tensor.dtype)


def _dtypes_in(message: str) -> set[str]:
    """Return the dtypes that torch's message names."""
    found = {WORDS[word] for word in re.findall(r"\w+", message.lower()) if word in WORDS}
    if "long int" in message:
        found.discard("int32")
    found |= set(re.findall(r"torch\.((?:float|int|uint|bfloat|complex)\d+)", message))
    return found if len(found) > 1 else set()


# -- which tensors -----------------------------------------------------------------------------


def _mixed(raised: BaseException, fact: Fact, names: Names, named: set[str]) -> list[Given]:
    """Return the arguments of the innermost line that has two kinds of them, by name."""
    first: list[Given] = []
    for line in _lines(raised):
        users = frames.kind(line.frame.f_code) == frames.USER
        inner = "" if users else f"{INSIDE}{line.frame.f_code.co_name}"
        given: dict[int, Given] = {}
        for text, tensor in islice(line.tensors(), 64):
            if not named or fact(tensor) in named:
                name = names.tensor(tensor) or text + inner
                given.setdefault(id(tensor), (name, tensor))
        pairs = list(given.values())
        if len({fact(tensor) for _, tensor in pairs}) > 1:
            if users or all(names.tensor(tensor) for _, tensor in pairs):
                return pairs
            first = first or pairs
    return first


def _lines(raised: BaseException) -> Iterator[Line]:
    """Yield the parts of lines that ran, innermost first."""
    for tb in reversed(evaluate.without_ours(raised.__traceback__)):
        line = line_at(tb.tb_frame, tb.tb_lasti)
        if line is not None:
            yield line


# -- what is said of them ----------------------------------------------------------------------


def _told(given: list[Given], fact: Fact, failure: Failure) -> str:
    kinds: dict[str, list[Given]] = {}
    for each in given:
        kinds.setdefault(fact(each[1]), []).append(each)
    odd = min(kinds, key=lambda kind: _normal(kind, kinds[kind]))
    others = [kind for kind in kinds if kind != odd]
    parts = [_are(kinds[odd], odd, failure), *(_are(kinds[kind], kind) for kind in others)]
    return f"{', '.join(parts)}. {_mend(kinds[odd], odd, others[0], fact)}"


def _normal(kind: str, given: list[Given]) -> tuple[bool, bool, int, int]:
    """Return how likely it is that this is what was meant: parameters, the most, float32, cuda."""
    weights = any(isinstance(tensor, torch.nn.Parameter) for _, tensor in given)
    usual = {"float32": 2, "meta": 0, "cpu": 1}.get(kind, 2 if kind.startswith("cuda") else 1)
    return kind != "meta", weights, len(given), usual


def _are(given: list[Given], kind: str, failure: Failure | None = None) -> str:
    """Return "'x' is float64 (made by double (train.py:5))"; where it was made, of the odd one."""
    names = [f"'{name}'" for name, _ in given]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    on = "on " if kind.partition(":")[0] in ("cpu", "cuda", "meta", "mps", "xpu") else ""
    made = [_made(name, tensor, failure) for name, tensor in given if failure is not None]
    how = "; ".join(dict.fromkeys(filter(None, made[:4])))
    is_so = f"{', '.join(names[:4])}{more} {'is' if len(names) == 1 else 'are'} {on}{kind}"
    return f"{is_so} ({how})" if how else is_so


def _made(name: str, tensor: torch.Tensor, failure: Failure) -> str:
    """Say where a tensor was made: as the recorder saw it, else as the source tells."""
    maker = report.history_of(tensor, failure.session).maker
    if maker is not None:
        return f"made by {describe_op(maker)}"
    place = _assigned(name, failure.raised)
    return f"assigned in {place}" if place else ""


def _assigned(name: str, raised: BaseException) -> str:
    """Return where the source assigns to a variable last, before the line that failed."""
    plain = re.match(r"\w+", name)
    if plain is None:
        return ""
    for tb in reversed(evaluate.without_ours(raised.__traceback__)):
        frame = tb.tb_frame
        if frames.kind(frame.f_code) != frames.USER or plain[0] not in (
            frame.f_locals.keys() | frame.f_globals.keys()
        ):
            continue
        file = frame.f_code.co_filename
        if file.startswith("<typed "):
            return _typed(plain[0])
        lines = linecache.getlines(file, frame.f_globals)
        inside = plain[0] in frame.f_locals and frame.f_locals is not frame.f_globals
        first = frame.f_code.co_firstlineno if inside else 1
        found = [line for line in _lines_of(lines, plain[0]) if first <= line <= tb.tb_lineno]
        if found:
            return f"{os.path.basename(file)}:{found[-1]}"
    return ""


def _typed(name: str) -> str:
    """Return the typed line that assigned to a name last."""
    for file in reversed([each for each in linecache.cache if each.startswith("<typed ")]):
        lines = linecache.getlines(file)
        found = _lines_of(lines, name)
        if found:
            return f"'{lines[found[-1] - 1].strip()[:60]}'"
    return ""


def _lines_of(lines: list[str], name: str) -> list[int]:
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return []
    return sorted(
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    )


def _mend(given: list[Given], odd: str, other: str, fact: Fact) -> str:
    name = given[0][0]
    if INSIDE in name:
        return f"Make it {other} before the call." if fact is _dtype else f"Move it to {other}."
    if fact is _device:
        if odd == "meta":
            return f"A meta tensor has a shape and no data: make '{name}' on {other}."
        return f"{name}.to('{other}') moves it; for a module model.to('{other}')."
    numpy = " NumPy's default is float64." if odd == "float64" else ""
    casts = {"float32": "float", "float64": "double", "int64": "long", "float16": "half"}
    cast = f"{name}.{casts[other]}()" if other in casts else f"{name}.to(torch.{other})"
    return f"{cast} makes it {other}.{numpy}"
