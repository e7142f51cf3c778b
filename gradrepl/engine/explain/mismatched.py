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
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from msgspec import structs

from gradrepl.engine.code import evaluate, frames
from gradrepl.engine.explain.failed_line import Line, line_at
from gradrepl.engine.explain.leaf import said
from gradrepl.engine.tensor import figures, report
from gradrepl.model import Error

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place
    from gradrepl.engine.tensor.names import Names

DEVICES = (
    "is not on the expected device",
    "Expected all tensors to be on the same device",
    "are not at the same device",
    "should be either on cpu or on the same device",
    "on cpu, but expected on cuda",
    "but expected them to be on cuda",
)
DTYPES = (
    "same dtype",
    "expected scalar type",
    "Found dtype",
    "same scalar type",
    "must share same datatype",
    "does not match weight dtype",
    "input must have the type",
    "expected dtype",
    "same type",
    "self.dtype to be equal to",
)
EITHER = ("Input type", "should be the same")
"""Of convolutions: the types tell both."""
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


def name_the_odd_one(error: Error, raised: BaseException, session: Session, place: Place) -> Error:
    """Return ``error`` with a hint that tells each argument's device or dtype, and the odd one."""
    message = error.message
    types = all(part in message for part in EITHER)
    if any(part in message for part in DEVICES) or (types and message.count("torch.cuda.") == 1):
        fact = _device
    elif types or any(part in message for part in DTYPES):
        fact = _dtype
    else:
        return error
    names = session.names(_users(raised) or place.frame)
    named = _dtypes_in(message) if fact is _dtype else set()
    with figures.quiet():
        given = _mixed(raised, fact, names, named)
        hint = _told(given, fact, session, raised) if given else ""
    return structs.replace(error, hint=hint) if hint else error


def _device(tensor: torch.Tensor) -> str:
    return str(tensor.device)


def _dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _dtypes_in(message: str) -> set[str]:
    """Return the dtypes that torch's message names."""
    found = {WORDS[word] for word in re.findall(r"\w+", message.lower()) if word in WORDS}
    if "long int" in message:
        found.discard("int32")
    found |= set(re.findall(r"torch\.((?:float|int|uint|bfloat|complex)\d+)", message))
    return found if len(found) > 1 else set()


# -- which tensors -----------------------------------------------------------------------------


def _users(raised: BaseException) -> FrameType | None:
    tb = evaluate.users(raised.__traceback__, last=True)
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return None if tb is None else tb.tb_frame


def _mixed(
    raised: BaseException, fact: Callable[[torch.Tensor], str], names: Names, named: set[str]
) -> list[Given]:
    """Return the arguments of the innermost line that has two kinds of them, by name."""
    first: list[Given] = []
    for line in _lines(raised):
        given: dict[int, Given] = {}
        ours = frames.kind(line.frame.f_code) == frames.USER
        for text, tensor in islice(line.tensors(), 64):
            if not named or fact(tensor) in named:
                inner = "" if ours else f"{INSIDE}{line.frame.f_code.co_name}"
                name = names.tensor(tensor) or text + inner
                given.setdefault(id(tensor), (name, tensor))
        found = list(given.values())
        if len({fact(tensor) for _, tensor in found}) < 2:
            continue
        if ours or all(names.tensor(t) for _, t in found):
            return found
        first = first or found
    return first


def _lines(raised: BaseException) -> Iterator[Line]:
    """Yield the parts of lines that ran, innermost first."""
    for tb in reversed(evaluate.without_ours(raised.__traceback__)):
        line = line_at(tb.tb_frame, tb.tb_lasti)
        if line is not None:
            yield line


# -- what is said of them ----------------------------------------------------------------------


def _told(
    given: list[Given],
    fact: Callable[[torch.Tensor], str],
    session: Session,
    raised: BaseException,
) -> str:
    kinds: dict[str, list[Given]] = {}
    for each in given:
        kinds.setdefault(fact(each[1]), []).append(each)
    odd = min(kinds, key=lambda kind: _normal(kind, kinds[kind]))
    others = [kind for kind in kinds if kind != odd]
    parts = [_are(kinds[odd], odd, session, raised)]
    parts += [_are(kinds[kind], kind, None, raised) for kind in others]
    return f"{', '.join(parts)}. {_mend(kinds[odd], odd, others[0], fact)}"


def _normal(kind: str, given: list[Given]) -> tuple[bool, bool, int, int]:
    """Return how likely it is that this is what was meant: parameters, the most, float32, cuda."""
    weights = any(isinstance(tensor, torch.nn.Parameter) for _, tensor in given)
    usual = {"float32": 2, "meta": 0, "cpu": 1}.get(kind, 2 if kind.startswith("cuda") else 1)
    return kind != "meta", weights, len(given), usual


def _are(given: list[Given], kind: str, session: Session | None, raised: BaseException) -> str:
    """Return "'x' is float64 (made by double (train.py:5))"."""
    names = [f"'{name}'" for name, _ in given]
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    on = "on " if kind.partition(":")[0] in ("cpu", "cuda", "meta", "mps", "xpu") else ""
    made = [_made(name, tensor, session, raised) for name, tensor in given if session is not None]
    how = "; ".join(dict.fromkeys(filter(None, made[:4])))
    is_so = f"{', '.join(names[:4])}{more} {'is' if len(names) == 1 else 'are'} {on}{kind}"
    return f"{is_so} ({how})" if how else is_so


def _made(name: str, tensor: torch.Tensor, session: Session, raised: BaseException) -> str:
    """Say where a tensor was made: as the recorder saw it, else as the source tells."""
    maker = report.history_of(tensor, session).maker
    if maker is not None:
        return f"made by {said(maker)}"
    place = _assigned(name, raised)
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


def _mend(given: list[Given], odd: str, other: str, fact: Any) -> str:
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
