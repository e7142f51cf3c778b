"""Makes a place of ours raise that torch or the interpreter calls, in a process that has it.

The places are found in the source: what is guarded as ``gradrepl/engine/boundary.py`` says. What
raises is put into the code as it is compiled, so that nothing in the house has to know of it.
"""

from __future__ import annotations

import ast
import importlib.machinery
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
VARIABLE = "GRADREPL_FAULT"
FAULT = "a fault on purpose"


class Place(NamedTuple):
    """One guarded place: its file, the function that it is in, and which one of that function."""

    file: str
    function: str
    number: int
    when: str
    """It raises as it 'begin's or at its 'end'; or a 'signal' comes before a statement."""

    def __str__(self) -> str:
        return ":".join(map(str, self))

    @classmethod
    def read(cls, text: str) -> Place:
        """Return the place with this text."""
        file, function, number, when = text.split(":")
        return cls(file, function, int(number), when)


def asks_a_part(handler: ast.ExceptHandler) -> bool:
    """Does an ``except`` clause ask a part whether the error is ours?"""
    calls = [node for each in handler.body for node in ast.walk(each) if isinstance(node, ast.Call)]
    return any(
        isinstance(each.func, ast.Attribute) and each.func.attr == "failed" for each in calls
    )


def is_part(node: ast.expr) -> bool:
    """Is this what stands in a ``with`` that guards?"""
    match node:
        case ast.Call(func=ast.Name("Part")):
            return True
        case ast.Name(name) | ast.Attribute(attr=name):
            return name.lstrip("_") in ("part", "forks")
    return False


def guarded(node: ast.AST) -> bool:
    """Is this statement, or this function, guarded?"""
    match node:
        case ast.Try(handlers=handlers):
            return any(map(asks_a_part, handlers))
        case ast.With(items=items):
            return any(is_part(item.context_expr) for item in items)
        case ast.FunctionDef(args=arguments):
            return any(
                isinstance(each.annotation, ast.Name) and each.annotation.id == "Once"
                for each in arguments.args
            )
    return False


def nodes(tree: ast.AST, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ast.AST]]:
    """Yield everything below ``tree`` with the name of the function it is in."""
    for child in ast.iter_child_nodes(tree):
        inner = names
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            inner = (*names, child.name)
        yield ".".join(inner), child
        yield from nodes(child, inner)


def found(tree: ast.AST) -> Iterator[tuple[str, int, ast.AST]]:
    """Yield the guarded places of a module: function, number in it, node."""
    numbers: dict[str, int] = {}
    for name, node in nodes(tree):
        if guarded(node):
            numbers[name] = numbers.get(name, -1) + 1
            yield name, numbers[name], node


def places(when: str) -> list[Place]:
    """Return all places of the house, to raise as they begin or at their end."""
    files = sorted([*(ROOT / "gradrepl").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])
    return [
        Place(str(file.relative_to(ROOT)), name, number, when)
        for file in files
        for name, number, node in found(ast.parse(file.read_text()))
    ]


def statements(body: list[ast.stmt]) -> Iterator[tuple[list[ast.stmt], int]]:
    """Yield each statement of a function, as the list that it is in and its index."""
    for index, statement in enumerate(body):
        yield body, index
        for name in ("body", "orelse", "finalbody"):
            yield from statements(getattr(statement, name, []))


def signals(file: str, function: str) -> list[Place]:
    """Return the places before each statement of a function."""
    tree = ast.parse((ROOT / file).read_text())
    node = next(n for name, n in nodes(tree) if name == function)
    count = len(list(statements(node.body)))  # type: ignore[attr-defined]
    return [Place(file, function, number, "signal") for number in range(count)]


def with_fault(source: str, place: Place) -> ast.Module:
    """Return a module in which ``place`` raises, or a signal comes."""
    tree = ast.parse(source)
    if place.when == "signal":
        fault = ast.parse("__import__('signal').raise_signal(__import__('signal').SIGURG)").body[0]
        node = next(n for name, n in nodes(tree) if name == place.function)
        body, at = list(statements(node.body))[place.number]  # type: ignore[attr-defined]
    else:
        fault = ast.parse(f"raise ArithmeticError({FAULT!r})").body[0]
        node = next(n for name, k, n in found(tree) if (name, k) == (place.function, place.number))
        body, at = node.body, 0  # type: ignore[attr-defined]
        if place.when == "end":
            at = len(body) - isinstance(body[-1], (ast.Return, ast.Raise))
    line = body[min(at, len(body) - 1)]
    for inner in ast.walk(fault):
        ast.copy_location(inner, line)
    body.insert(at, fault)
    return tree


def install() -> None:
    """From now on, import the module that the environment names with its fault."""
    text = os.environ.pop(VARIABLE, "")
    if not text:
        return
    place = Place.read(text)
    wanted = str(ROOT / place.file)
    loader = importlib.machinery.SourceFileLoader
    plain = loader.get_code

    def get_code(self, name):
        if self.path != wanted:
            return plain(self, name)
        source = self.get_data(self.path).decode()
        return compile(with_fault(source, place), self.path, "exec", dont_inherit=True)

    loader.get_code = get_code  # type: ignore[method-assign]
