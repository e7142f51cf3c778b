"""What the source around a line says: the names it assigns, the blocks it stands in."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType
from typing import TypeGuard

from gradrepl.model import Site

LIBRARIES = frozenset(["torch", "nn", "F", "np", "math", "self", "nn.functional", "torch.nn"])
MENTIONED = 6
"""Names on a line that are told of."""
Function = ast.FunctionDef | ast.AsyncFunctionDef
SWITCHES = ("no_grad", "inference_mode", "set_grad_enabled")
"""What switches gradients off, as a block or as a decorator."""


@lru_cache(maxsize=256)
def tree_of(file: str) -> ast.Module | None:
    """Return the parsed file; None where it cannot be read or is not Python."""
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):
        return None


def at(site: Site | None) -> str:
    """Return ' (train.py:27)', or '' where the line is not known."""
    return f" ({site.place})" if site is not None else ""


def around(site: Site) -> list[ast.AST]:
    """Return the statements that a line is part of, innermost first."""
    tree = tree_of(site.file)
    found: list[ast.AST] = []
    nodes: list[ast.AST] = [] if tree is None else [tree]
    while nodes:
        inside = [
            each
            for node in nodes
            for each in _statements(node)
            if _first(each) <= site.line <= (getattr(each, "end_lineno", 0) or 0)
        ]
        found += inside
        nodes = inside
    return found[::-1]


def _first(node: ast.AST) -> int:
    lines: list[int] = [each.lineno for each in getattr(node, "decorator_list", ())]
    return min(*lines, getattr(node, "lineno", 0), sys.maxsize)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.stmt):
            yield each
        elif isinstance(each, (ast.ExceptHandler, ast.match_case)):
            yield from _statements(each)


def targets(site: Site | None) -> list[str]:
    """Return the names that the statement at a line assigns: 'h', 'self.scale', 'table'."""
    statement = next(iter(around(site)), None) if site is not None else None
    match statement:
        case ast.Assign(targets=several):
            return [name for each in several for name in _names(each)]
        case ast.AugAssign(target=one) | ast.AnnAssign(target=one) | ast.For(target=one):
            return list(_names(one))
        case ast.With(items=items):
            held = [each.optional_vars for each in items if each.optional_vars is not None]
            return [name for each in held for name in _names(each)]
    return []


def assigned(sites: tuple[Site, ...]) -> list[str]:
    """Return what a line assigns, or the first of its callers that assigns anything."""
    return next(filter(None, map(targets, sites)), [])


def _names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for each in target.elts:
            yield from _names(each)
    elif isinstance(target, (ast.Starred, ast.Subscript)):
        yield from _names(target.value)
    else:
        yield ast.unparse(target)


def mentioned(sites: tuple[Site, ...]) -> list[str]:
    """Return what a line is about: the names it assigns and reads, and what its caller makes of it.

    Names of modules and functions that are called are left out, but for what a method is of.
    """
    names = [*assigned(sites), *(_read(sites[0]) if sites else ())]
    return [name for name in dict.fromkeys(names) if name not in LIBRARIES][:MENTIONED]


def _read(site: Site) -> Iterator[str]:
    """Yield the variables and attributes that the statement at a line is written with."""
    nodes = [each for statement in around(site)[:1] for each in ast.walk(statement)]
    functions = [each.func for each in nodes if isinstance(each, ast.Call)]
    called = {id(each) for each in functions if not ast.unparse(each).startswith("self.")}
    for each in nodes:
        if isinstance(each, (ast.Name, ast.Attribute)) and id(each) not in called:
            yield ast.unparse(each)


def subjects(site: Site | None, method: str = "") -> list[str]:
    """Return what a line is about: the names it assigns, else what ``method`` is called on."""
    names = targets(site)
    if names or site is None:
        return names
    statement = next(iter(around(site)), None)
    calls = (
        (each for each in ast.walk(statement) if isinstance(each, ast.Call)) if statement else ()
    )
    owners = [
        ast.unparse(call.func.value)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == method
    ]
    return owners[:1]


def uses(site: Site, name: str) -> list[int]:
    """Return the lines of the function around ``site`` that read a variable, after it."""
    scope = next((each for each in around(site) if _is_function(each)), tree_of(site.file))
    if scope is None:
        return []
    read = (each for each in ast.walk(scope) if isinstance(each, (ast.Name, ast.Attribute)))
    return [
        each.lineno
        for each in read
        if isinstance(each.ctx, ast.Load) and ast.unparse(each) == name and each.lineno > site.line
    ]


def _is_function(node: ast.AST) -> TypeGuard[Function]:
    return isinstance(node, Function)


def switch(sites: tuple[Site, ...]) -> Site | None:
    """Return the line that switched gradients off around an op, as far as its callers tell."""
    for site in sites:
        for statement in around(site):
            if isinstance(statement, (ast.With, ast.AsyncWith)):
                expressions = [each.context_expr for each in statement.items]
            elif _is_function(statement) and statement.name == site.function:
                expressions = statement.decorator_list
            else:
                continue
            for each in expressions:
                if any(word in ast.unparse(each) for word in SWITCHES):
                    return line(site.file, each.lineno, site.function)
    return None


def code_line(code: CodeType) -> Site:
    """Return the line of a function's ``def``, behind its decorators."""
    first = line(code.co_filename, code.co_firstlineno, code.co_name)
    defined = next(filter(_is_function, around(first)), None)
    return first if defined is None else line(first.file, defined.lineno, code.co_name)


def line(file: str, number: int, function: str = "") -> Site:
    """Return a line of a file as a place."""
    return Site(file, number, function, linecache.getline(file, number).strip())


def arguments(site: Site | None, name: str) -> list[str]:
    """Return what a call of ``name`` on a line is given, as it is written."""
    statement = next(iter(around(site)), None) if site is not None else None
    for each in ast.walk(statement) if statement is not None else ():
        if isinstance(each, ast.Call) and ast.unparse(each.func).rpartition(".")[2] == name:
            return [name for given in each.args for name in _plain(given)]
    return []


def _plain(node: ast.expr) -> list[str]:
    """Return the variables that an argument is written with, whole ones first."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        return [ast.unparse(node)]
    inner = (each for each in ast.walk(node) if isinstance(each, (ast.Name, ast.Attribute)))
    return [ast.unparse(each) for each in inner]


def blocks(site: Site, word: str) -> Site | None:
    """Return the line of the ``with`` around a line whose expression has ``word`` in it."""
    for statement in around(site):
        if isinstance(statement, (ast.With, ast.AsyncWith)):
            for item in statement.items:
                if word in ast.unparse(item.context_expr):
                    return line(site.file, item.context_expr.lineno, site.function)
    return None


def assignment(file: str, first: int, text: str) -> Site | None:
    """Return the line, from ``first`` on, that assigns to ``text``: 'ctx.gate', 'self.file'."""
    tree = tree_of(file)
    lines = [
        each.lineno
        for each in (ast.walk(tree) if tree is not None else ())
        if isinstance(each, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and each.lineno >= first
        for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
        if text in _names(target)
    ]
    return line(file, min(lines)) if lines else None


def appends(file: str, names: list[str]) -> Iterator[Site]:
    """Yield the lines that append one of these variables to something."""
    tree = tree_of(file)
    for each in ast.walk(tree) if tree is not None else ():
        if isinstance(each, ast.Call) and ast.unparse(each.func).endswith(".append"):
            given = {ast.unparse(node) for argument in each.args for node in ast.walk(argument)}
            if given.intersection(names):
                yield line(file, each.lineno)


def freezes(file: str) -> Site | None:
    """Return the first line that switches ``requires_grad`` off."""
    tree = tree_of(file)
    for each in ast.walk(tree) if tree is not None else ():
        if isinstance(each, (ast.Assign, ast.Expr)):
            text = ast.unparse(each)
            if text.endswith(("requires_grad = False", "requires_grad_(False)")):
                return line(file, each.lineno)
    return None


def definition(file: str, name: str) -> Site | None:
    """Return the line that defines a function."""
    tree = tree_of(file)
    found = (each for each in (ast.walk(tree) if tree else ()) if _is_function(each))
    return next((line(file, each.lineno, name) for each in found if each.name == name), None)


def returns_none(function: Site | None) -> Site | None:
    """Return the line of a function that returns None, or may."""
    if function is None:
        return None
    scope = next(filter(_is_function, around(function)), None)
    returns = (each for each in ast.walk(scope) if isinstance(each, ast.Return)) if scope else ()
    lines = (
        line(function.file, each.lineno, function.function)
        for each in returns
        if each.value is not None and any(map(_is_none, ast.walk(each.value)))
    )
    return next(lines, None)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
