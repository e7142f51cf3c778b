"""The part of a line that raised, and what is written there: looked up without running anything."""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import nn

from gradrepl.engine.code import evaluate


class Line(NamedTuple):
    """The part of a line that failed."""

    tree: ast.AST
    frame: types.FrameType

    def found(self) -> Iterator[tuple[str, Any]]:
        """Yield what is written there and can be looked up: (text, value), in order."""
        todo: list[ast.AST] = [self.tree]
        while todo:
            node = todo.pop(0)
            value = value_of(node, self.frame)
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


def value_of(node: ast.AST, frame: types.FrameType) -> Any:
    """Return what a name, an attribute or an element is, or None; runs no code of anybody's."""
    match node:
        case ast.Name(id=name):
            return frame.f_locals.get(name, frame.f_globals.get(name))
        case ast.Attribute(value=inner, attr=name):
            owner = value_of(inner, frame)
            spaces = [getattr(owner, "__dict__", None)] if owner is not None else []
            if isinstance(owner, nn.Module):
                spaces += [owner._parameters, owner._buffers, owner._modules]
            return next((s[name] for s in spaces if isinstance(s, dict) and name in s), None)
        case ast.Subscript(value=inner, slice=ast.Constant(value=key)):
            owner = value_of(inner, frame)
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
