"""Errors with the tensor that they are about by its name, its line, and what to do.

The frames that raised still hold the arguments. What a name or an attribute on the failing line is
gets looked up without running anything; the names are those of the user.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import re
import types
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

from gradrepl.engine.code import evaluate, frames
from gradrepl.engine.explain.failed_line import (
    Failure,
    Line,
    Subject,
    frame_of,
    line_at,
    value_of,
)
from gradrepl.engine.explain.no_gradient import describe_op
from gradrepl.engine.memory.survey import Survey
from gradrepl.engine.modules.reach import Optimizers, strays
from gradrepl.engine.tensor import facts, figures, report
from gradrepl.engine.tensor import names as engine_names

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place
    from gradrepl.engine.tensor.names import Names

SHAPE = re.compile(r"\[torch\.\w+ \[([\d, ]*)\]\]")
SUSPECTS = 3
"""Ops that are named where the tensor itself is out of reach."""
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


def name_the_write(failure: Failure) -> str:
    """Say which line overwrote a saved value, and through which alias."""
    sentence = _overwritten(failure)
    if "written by" not in sentence:
        sentence = f"{sentence} {_suspects(failure)}".strip()
    return f"{sentence} {failure.hint}" if sentence else ""


def _overwritten(failure: Failure) -> str:
    """Say what was saved, where, and who wrote to it: the value is found by torch's message."""
    survey = Survey(failure.session, failure.place)
    for group in survey.groups:
        for piece in group.pieces:
            stale = piece.saving.stale.partition(" Hint:")[0] if piece.saving else ""
            if stale and stale in failure.message:
                return survey.stale_sentence(piece, group)
    return ""


def _suspects(failure: Failure) -> str:
    """Name the recorded ops that wrote to a tensor of the shape that torch's message gives."""
    match = SHAPE.search(failure.message)
    if match is None:
        return ""
    shape = tuple(int(size) for size in match[1].split(",") if size.strip())
    calls = [call for call, _, _ in failure.session.recorder.flow.entries]
    wrote = [call for call in reversed(calls) if call.bumped and call.shape == shape]
    ops = list(dict.fromkeys(map(describe_op, wrote)))[:SUSPECTS]
    return f"It was probably written by {', '.join(ops)}, on shape {shape}." if ops else ""


def explain_in_place(failure: Failure) -> str:
    """Name the leaf that was written to, or its view."""
    for t in failure.tensors():
        base = t.tensor._base if t.tensor._is_view() else t.tensor
        if base is not None and facts.is_leaf(base) and base.requires_grad:
            what = "is a leaf" if base is t.tensor else "is a view of a leaf"
            return (
                f"'{t.name}' {what} that requires a gradient: its value would no longer be the one "
                "the graph was built on. Update it under torch.no_grad(), or make a new tensor."
            )
    return ""


def explain_deepcopy(failure: Failure) -> str:
    """Name the non-leaf that was to be copied, also one that a module holds."""
    for t in failure.tensors():
        if not facts.is_leaf(t.tensor):
            return f"{t.why} Copy {t.name}.detach() instead."
    for name, root in failure.modules():
        for path, module in root.named_modules():
            kept = {**vars(module), **module._buffers, **module._parameters}
            for attribute, each in kept.items():
                if isinstance(each, torch.Tensor) and not facts.is_leaf(each):
                    t = Subject(".".join(filter(None, (name, path, attribute))), each, failure)
                    return f"{t.why} Detach or drop it before the copy."
    return ""


def explain_no_parameters(failure: Failure) -> str:
    """Name the list in which the parameters are hidden."""
    for name, root in failure.modules():
        names = failure.session.names(failure.place.frame)
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


def name_the_hook(failure: Failure) -> str:
    """Name the full backward hook without which there would be no view."""
    if "BackwardHookFunction" not in failure.message:
        return ""
    names = failure.session.names(failure.place.frame)
    for prefix, root in names.roots:
        for path, module in root.named_modules():
            for hook in engine_names.hooks_of_module(module):
                if "full backward" in hook.kind:
                    where = (prefix + path).strip(".") or type(module).__name__
                    return (
                        f"The {hook.kind} {hook.owner} ({hook.place}) on '{where}' makes what goes "
                        "through it views: use inplace=False after it, or a hook on the tensor."
                    )
    return ""


def explain_returned(failure: Failure) -> str:
    """Say what a custom Function's backward must return."""
    wanted = failure.message.partition("unction ")[2].partition("Backward ")[0]
    spaces = engine_names.namespaces(failure.place.frame, failure.session.space)
    for value in (value for space in spaces for value in list(space.values())):
        if not (isinstance(value, type) and issubclass(value, torch.autograd.Function)):
            continue
        if value.__name__ == wanted:
            forward: Any = value.forward
            takes = [name for name in inspect.signature(forward).parameters if name != "ctx"]
            _, code = engine_names.owner(value.backward)
            line = f", line {code.co_firstlineno}," if code is not None else ""
            return (
                f"{wanted}.forward takes {', '.join(takes)}: {wanted}.backward{line} must return "
                "one gradient for each, of its shape, or None where there is none."
            )
    return ""


def explain_unused(failure: Failure) -> str:
    """Name the input, by its index in the call, and the root that does not lead to it."""
    number = failure.message.partition("at index ")[2].partition(" ")[0]
    nodes = ast.walk(failure.line.tree) if failure.line is not None else ()
    call = next((node for node in nodes if isinstance(node, ast.Call)), None)
    if call is None or not number.isdecimal():
        return ""
    given = dict(zip(("outputs", "inputs"), call.args, strict=False))
    given |= {key.arg: key.value for key in call.keywords if key.arg}
    root, inputs = given.get("outputs"), given.get("inputs")
    if isinstance(inputs, (ast.List, ast.Tuple)) and int(number) < len(inputs.elts):
        inputs = inputs.elts[int(number)]
    if inputs is None or root is None:
        return ""
    name, top = ast.unparse(inputs), ast.unparse(root)
    return (
        f"'{name}' is not on the way from '{top}' to its leaves: ':graph {top}' shows what is; "
        "allow_unused=True gives None for it."
    )


def explain_none(source: str, session: Session, place: Place) -> str:
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


# -- two devices, two dtypes --------------------------------------------------------------------


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
    return _sentence(given, fact, failure) if given else ""


def _device(tensor: torch.Tensor) -> str:
    return str(tensor.device)


def _dtype(tensor: torch.Tensor) -> str:
    return facts.short(tensor.dtype)


def _dtypes_in(message: str) -> set[str]:
    """Return the dtypes that torch's message names."""
    dtypes = {WORDS[word] for word in re.findall(r"\w+", message.lower()) if word in WORDS}
    if "long int" in message:
        dtypes.discard("int32")
    dtypes |= set(re.findall(r"torch\.((?:float|int|uint|bfloat|complex)\d+)", message))
    return dtypes if len(dtypes) > 1 else set()


def _mixed(raised: BaseException, fact: Fact, names: Names, named: set[str]) -> list[Given]:
    """Return the arguments of the innermost line that has two kinds of them, by name."""
    first: list[Given] = []
    for line in _lines(raised):
        users = frames.kind(line.frame.f_code) == frames.USER
        inner = "" if users else f"{INSIDE}{line.frame.f_code.co_name}"
        pairs = _arguments(line, names, inner)
        if named:
            pairs = [each for each in pairs if fact(each[1]) in named]
        if len({fact(tensor) for _, tensor in pairs}) > 1:
            if users or all(names.tensor(tensor) for _, tensor in pairs):
                return pairs
            first = first or pairs
    return first


def _arguments(line: Line, names: Names, inner: str) -> list[Given]:
    """Return the tensors on a line, each once; ``inner`` is put behind names of torch's own."""
    given: dict[int, Given] = {}
    for text, tensor in islice(line.tensors(), 64):
        given.setdefault(id(tensor), (names.tensor(tensor) or text + inner, tensor))
    return list(given.values())


def _lines(raised: BaseException) -> Iterator[Line]:
    """Yield the parts of lines that ran, innermost first."""
    for tb in reversed(evaluate.without_ours(raised.__traceback__)):
        line = line_at(tb.tb_frame, tb.tb_lasti)
        if line is not None:
            yield line


def _sentence(given: list[Given], fact: Fact, failure: Failure) -> str:
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
    maker = failure.session.recorder.flow.of(tensor).maker
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
        stores = [line for line in _lines_of(lines, plain[0]) if first <= line <= tb.tb_lineno]
        if stores:
            return f"{os.path.basename(file)}:{stores[-1]}"
    return ""


def _typed(name: str) -> str:
    """Return the typed line that assigned to a name last."""
    for file in reversed([each for each in linecache.cache if each.startswith("<typed ")]):
        lines = linecache.getlines(file)
        stores = _lines_of(lines, name)
        if stores:
            return f"'{lines[stores[-1] - 1].strip()[:60]}'"
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
