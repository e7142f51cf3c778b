"""The part of a line that raised, and what is written there: looked up without running anything.

Torch's messages name no tensor. The line that failed does, and Python knows which part of it ran.
"""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from gradrepl.engine.code import evaluate
from gradrepl.engine.code.values import attributes, is_a
from gradrepl.engine.explain.no_gradient import describe_op
from gradrepl.engine.tensor import facts, report

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place


class Line(NamedTuple):
    """The part of a line that failed."""

    tree: ast.AST
    frame: types.FrameType

    def values(self) -> Iterator[tuple[str, Any]]:
        """Yield what is written there and can be looked up: (text, value), in order."""
        todo: list[ast.AST] = [self.tree]
        while todo:
            node = todo.pop(0)
            value = value_of(node, self.frame)
            if is_a(value, torch.Tensor, nn.Module, list, tuple, dict):
                yield ast.unparse(node), value
            else:
                todo = [*ast.iter_child_nodes(node), *todo]

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        """Yield the tensors, also those in lists, tuples and dicts."""
        for name, value in self.values():
            if is_a(value, torch.Tensor):
                yield name, value
            elif is_a(value, list, tuple):
                for place, each in enumerate(islice(value, 64)):
                    if is_a(each, torch.Tensor):
                        yield f"{name}[{place}]", each

    def modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the modules."""
        yield from ((name, each) for name, each in self.values() if is_a(each, nn.Module))


def value_of(node: ast.AST, frame: types.FrameType) -> Any:
    """Return what a name, an attribute or an element is, or None; runs no code of anybody's."""
    match node:
        case ast.Name(id=name):
            return frame.f_locals.get(name, frame.f_globals.get(name))
        case ast.Attribute(value=inner, attr=name):
            spaces = _attributes(value_of(inner, frame))
            return next((space[name] for space in spaces if name in space), None)
        case ast.Subscript(value=inner, slice=ast.Constant(value=key)):
            owner = value_of(inner, frame)
            if type(owner) in (list, tuple) and isinstance(key, int):
                return owner[key] if -len(owner) <= key < len(owner) else None
            return owner.get(key) if type(owner) is dict else None
    return None


def _attributes(owner: Any) -> Iterator[dict[str, Any]]:
    """Yield where an object keeps its attributes."""
    yield attributes(owner)
    if is_a(owner, nn.Module):
        yield from (owner._parameters, owner._buffers, owner._modules)


def frame_of(raised: BaseException) -> types.TracebackType | None:
    """Return the traceback's entry of the user's line that raised."""
    tb = evaluate.users(raised.__traceback__, last=True)
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return tb


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


@dataclass(frozen=True)
class Failure:
    """An exception, and what may be looked at to say more about it."""

    raised: BaseException
    message: str
    hint: str
    """What is known to help, whatever it is about."""
    session: Session
    place: Place

    @cached_property
    def line(self) -> Line | None:
        """The part of the user's line that raised, or None where that cannot be known."""
        entry = frame_of(self.raised)
        return None if entry is None else line_at(entry.tb_frame, entry.tb_lasti)

    def tensors(self) -> Iterator[Subject]:
        """Yield the tensors on the line."""
        pairs = self.line.tensors() if self.line is not None else ()
        yield from (Subject(name, tensor, self) for name, tensor in pairs)

    def modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the modules on the line."""
        yield from self.line.modules() if self.line is not None else ()


class Subject(NamedTuple):
    """A tensor on the line that failed, as a sentence names it: ``{t.name}``, ``{t.why}``."""

    name: str
    tensor: torch.Tensor
    failure: Failure
    otherwise: str = ""
    """What to say where the op that made it was not recorded."""

    @property
    def why(self) -> str:
        """Return "'h' is not a leaf: relu (train.py:27) computed it ..."."""
        session, place = self.failure.session, self.failure.place
        record = report.everything(self.tensor, self.name, session, place)
        return f"'{self.name}' is {record.leaf_why}"

    @property
    def by(self) -> str:
        """Say what made it: ' by mul (train.py:3)'."""
        maker = self.failure.session.recorder.flow.of(self.tensor).maker
        return f" by {describe_op(maker)}" if maker is not None else self.otherwise

    @property
    def dtype(self) -> str:
        """The name of its dtype."""
        return facts.short(self.tensor.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.tensor.shape)


def first_tensor(
    test: Callable[[torch.Tensor], bool], sentence: str, otherwise: str = ""
) -> Callable[[Failure], str]:
    """Return what says ``sentence`` of the first tensor on the line for which ``test`` holds."""

    def tell(failure: Failure) -> str:
        subject = next((t for t in failure.tensors() if test(t.tensor)), None)
        return sentence.format(t=subject._replace(otherwise=otherwise)) if subject else ""

    return tell
