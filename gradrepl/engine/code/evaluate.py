"""What the user types, run in the user's own frame or name space, and its result as a record."""

from __future__ import annotations

import ast
import asyncio
import ctypes
import inspect
import io
import itertools
import linecache
import reprlib
import sys
import tokenize
import traceback
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from types import CodeType, FrameType, TracebackType
from typing import Any

from gradrepl.engine.code import frames
from gradrepl.engine.code.torch_import import torch_module
from gradrepl.engine.code.values import USER_ERRORS, is_a
from gradrepl.model import Error, Value

FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
SHORT, LONG = 400, 20_000
"""Characters of a value's text: as a result, and asked for in full."""
DOLLAR = {"gin": "grad_in", "gout": "grad_out", "leaf": "leaf", "node": "node", "out": "out"}

_PLAIN_REPR: Any = object.__repr__
_numbers = itertools.count(1)
_runner: asyncio.Runner | None = None


def without_dollars(source: str) -> str:
    """Replace ``$gin`` and its kind by the plain names; strings and comments stay.

    >>> without_dollars("$gin[0].norm()  # $gin")
    'grad_in[0].norm()  # $gin'
    """
    if "$" not in source:
        return source
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    lines = source.splitlines(keepends=True)
    for dollar, name in reversed(list(itertools.pairwise(tokens))):
        if dollar.string == "$" and name.start == dollar.end:
            row, column = dollar.start
            text = lines[row - 1]
            plain = DOLLAR.get(name.string, name.string)
            lines[row - 1] = text[:column] + plain + text[name.end[1] :]
    return "".join(lines)


def compiled(source: str) -> tuple[CodeType | None, CodeType | None]:
    """Return the code of all but the last expression, and that of the last expression.

    The source is kept for tracebacks and for the line of an op.

    Raises:
        SyntaxError: as Python's.
    """
    name = f"<typed {next(_numbers)}>"
    with suppress(tokenize.TokenError, IndentationError):  # the compiler says it better
        source = without_dollars(source)
    lines = [f"{line}\n" for line in source.split("\n")]  # carets count on the last one's end
    linecache.cache[name] = (len(source), None, lines, name)
    tree = compile(source, name, "exec", FLAGS | ast.PyCF_ONLY_AST, dont_inherit=True)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        expression = ast.Expression(tree.body.pop().value)
        last = compile(expression, name, "eval", FLAGS, dont_inherit=True)
    body = compile(tree, name, "exec", FLAGS, dont_inherit=True) if tree.body else None
    return body, last


def run(codes: tuple[CodeType | None, CodeType | None], space: dict[str, Any], local: Any) -> Any:
    """Run what ``compiled`` gave and return the value of the last expression, or None."""
    result = None
    for code in codes:
        if code is not None:
            result = eval(code, space, local)
            if inspect.iscoroutine(result) and code.co_flags & inspect.CO_COROUTINE:
                result = _await(result)
    return result


def _await(coroutine: Any) -> Any:
    global _runner
    if _runner is None:
        _runner = asyncio.Runner()
    return _runner.run(coroutine)


class FrameVariables(ChainMap[str, Any]):
    """The variables of a running function, and names that are only lent: since Python 3.13.

    There ``frame.f_locals`` is a view that writes through to the function (PEP 667). Nothing can be
    taken out of it again, so that lent names must not go in.
    """

    def __init__(self, variables: MutableMapping[str, Any], lent: dict[str, Any]) -> None:
        super().__init__(lent, variables)
        self.undeletable = ""
        """The variable that somebody wanted to delete last."""

    def __setitem__(self, name: str, value: Any) -> None:
        lent, variables = self.maps
        lent.pop(name, None)
        variables[name] = value

    def __delitem__(self, name: str) -> None:
        lent, variables = self.maps
        if name in variables and name not in lent:
            self.undeletable = name
        del lent[name]

    def __repr__(self) -> str:
        return repr(dict(self))


@contextmanager
def scope(
    frame: FrameType | None, session: dict[str, Any], extra: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Any], MutableMapping[str, Any]]]:
    """Yield (globals, locals) of ``frame``; what is assigned there is written back into it.

    ``extra`` names are visible unless the user has such a name, and vanish afterwards.
    """
    space = session if frame is None else frame.f_globals
    local: MutableMapping[str, Any] = session if frame is None else frame.f_locals
    lent = {k: v for k, v in extra.items() if k not in space and k not in local}
    if not isinstance(local, dict):
        with _undeletable(variables := FrameVariables(local, lent)):
            yield space, variables
        return
    with _lent(local, lent):
        yield space, local
    if frame is not None and local is not space and sys.version_info < (3, 13):
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))


@contextmanager
def _undeletable(variables: FrameVariables) -> Iterator[None]:
    """Say what happened where Python says that a variable which cannot be deleted is not there."""
    try:
        yield
    except NameError:
        if name := variables.undeletable:
            raise ValueError(f"cannot delete '{name}': its function is still running") from None
        raise


@contextmanager
def _lent(space: dict[str, Any], lent: dict[str, Any]) -> Iterator[None]:
    space.update(lent)
    try:
        yield
    finally:
        for name, value in lent.items():
            if space.get(name) is value:
                space.pop(name, None)


# -- tracebacks ----------------------------------------------------------------------------------


def without_ours(tb: TracebackType | None) -> list[TracebackType]:
    """Return the entries of a traceback that would be there without us, outermost first."""
    kept: list[TracebackType] = []
    while tb is not None:
        code = tb.tb_frame.f_code
        if frames.kind(code) != frames.OURS:
            if (
                len(kept) > 1
                and kept[-2].tb_frame.f_code is code
                and frames.kind(kept[-1].tb_frame.f_code) == frames.DISPATCH
            ):
                del kept[-2:]  # the first call of a Python function, which only asked the modes
            kept.append(tb)
        tb = tb.tb_next
    return kept


def stack_without_ours(
    kept: Callable[[FrameType | None], Iterable[tuple[FrameType, int]]], innermost: FrameType | None
) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of a stack that would be there without us, innermost first.

    Stands in for ``traceback.walk_stack``, by which anomaly mode keeps a stack, too.
    """
    before = ""
    code: Any = None
    for frame, line in kept(innermost):
        kind = frames.kind(frame.f_code)
        if kind == frames.OURS or (before == frames.OURS and kind == frames.DISPATCH):
            before = kind
        elif before == frames.DISPATCH and frame.f_code is code:  # as in ``without_ours``
            before = ""
        else:
            before, code = "", frame.f_code
            yield frame, line


def traceback_without_ours(
    kept: Callable[[TracebackType | None], Any], tb: TracebackType | None
) -> Any:
    """Walk a traceback for whoever prints it as if nothing of ours had been called."""
    return kept(chained(without_ours(tb)))


def leave_no_entry() -> None:
    """Take our entries out of the traceback of the exception that is handled.

    Called in an ``except`` clause, with a bare ``raise`` behind it, which adds no entry.
    """
    if (error := sys.exc_info()[1]) is not None:
        error.__traceback__ = chained(without_ours(error.__traceback__))


def chained(entries: list[TracebackType]) -> TracebackType | None:
    """Return a traceback of ``entries``."""
    result: TracebackType | None = None
    for each in reversed(entries):
        result = TracebackType(result, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return result


def users(tb: TracebackType | None, *, last: bool = False) -> TracebackType | None:
    """Return the traceback from the user's first line on; with ``last``, up to the user's last."""
    kept = without_ours(tb)
    while kept and frames.kind(kept[0].tb_frame.f_code) != frames.USER:
        del kept[0]  # between our loop and the user's first line
    while last and kept and frames.kind(kept[-1].tb_frame.f_code) != frames.USER:
        kept.pop()
    return chained(kept)


def error(exception: BaseException) -> Error:
    """Return the record of an exception in the user's code."""
    tb = users(exception.__traceback__, last=True)
    try:
        text = str(exception)
    except USER_ERRORS:  # the user's own __str__
        text = "(its message cannot be shown)"
    kind = type(exception).__name__
    message = f"{kind}: {text}" if text else kind
    if isinstance(exception, SyntaxError):
        shown = "".join(traceback.format_exception_only(exception))
    elif tb is None:
        shown = ""
    else:
        shown = _origins(exception, {id(exception)}) + _listed(exception, tb)
    return Error(message=message, kind=kind, traceback=shown)


def first_line(exception: BaseException) -> str:
    """Return the first line of an exception's message."""
    return str(exception).strip().partition("\n")[0]


def summary(exception: BaseException) -> str:
    """Return an exception as the first line of what Python prints."""
    line, kind = first_line(exception), type(exception).__name__
    return f"{kind}: {line}" if line else kind


ORIGINS = 20
"""How many exceptions back an error is followed."""
CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT = "\nDuring handling of the above exception, another exception occurred:\n\n"


def _origins(exception: BaseException, seen: set[int]) -> str:
    """Return the tracebacks of what ``exception`` came from, in Python's words, the first first."""
    cause = exception.__cause__
    before = cause if exception.__suppress_context__ else exception.__context__
    if before is None or id(before) in seen or len(seen) > ORIGINS:
        return ""
    seen.add(id(before))
    own = _listed(before, users(before.__traceback__, last=True))
    return _origins(before, seen) + own + (CONTEXT if cause is None else CAUSE)


def _listed(exception: BaseException, tb: TracebackType | None) -> str:
    """Return one exception as Python prints it, without what it came from."""
    whole = traceback.TracebackException(type(exception), exception, tb)
    return "".join(whole.format(chain=False))


# -- values --------------------------------------------------------------------------------------


class _Bounded(reprlib.Repr):
    """A repr of bounded length in which a large tensor is its summary."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.maxlevel = 6
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxdeque = 12 * scale
        self.maxstring = self.maxlong = self.maxother = 400 * scale

    def repr1(self, x: Any, level: int) -> str:
        kind = type(x)
        torch = torch_module()
        if torch is not None and is_a(x, torch.Tensor):
            return tensor_text(x)
        if not kind.__module__.startswith("builtins") and kind.__repr__ is not _PLAIN_REPR:
            return self._other(x)
        return super().repr1(x, level)

    def _other(self, x: Any) -> str:
        try:
            text = repr(x)
        except USER_ERRORS as problem:  # the user's own repr
            return f"<{type(x).__name__} object; its repr raised {type(problem).__name__}>"
        limit = self.maxother * 5
        return text if len(text) <= limit else text[:limit] + "…"


_short, _long = _Bounded(1), _Bounded(25)


def text_of(value: Any, *, full: bool = False) -> str:
    """Return a text for any value: bounded, and whatever its repr does."""
    try:
        text = (_long if full else _short).repr(value)
    except USER_ERRORS as problem:  # the user's own repr, inside of a container
        return f"<{type(value).__name__} object; its repr raised {type(problem).__name__}>"
    limit = LONG if full else 2000
    return text if len(text) <= limit else text[:limit] + "…"


def tensor_text(tensor: Any) -> str:
    """Return torch's own text of a small tensor, and a summary of a large one."""
    from gradrepl.engine import torch_private
    from gradrepl.engine.tensor import facts, figures

    with torch_private.DisableTorchFunction():
        if tensor.numel() <= 64 and figures.readable(tensor):
            try:
                return repr(tensor)
            except USER_ERRORS as problem:  # the repr of a subclass of the user's
                return f"<{type(tensor).__name__}; its repr raised {type(problem).__name__}>"
    info = facts.describe(tensor, figures=False)
    shape = "x".join(map(str, info.shape))
    return f"<tensor {shape} {info.dtype} {info.device}>"


def brief(value: Any) -> str:
    """Return one short line about a value."""
    torch = torch_module()
    if torch is not None and is_a(value, torch.Tensor):
        from gradrepl.engine import torch_private
        from gradrepl.engine.tensor import facts

        with torch_private.DisableTorchFunction():
            needs = " requires_grad" if value.requires_grad else ""
            return f"{facts.shape(value)} {facts.short(value.dtype)}{needs}"
    if torch is not None and is_a(value, torch.nn.Module):
        return type(value).__name__
    line = " ".join(text_of(value).split())
    return line if len(line) <= 60 else line[:59] + "…"


def value_of(value: Any, expression: str = "", *, full: bool = False) -> Value:
    """Return the record of a result."""
    torch = torch_module()
    if torch is not None and is_a(value, torch.Tensor):
        from gradrepl.engine.tensor import facts

        text = _whole(value) if full else tensor_text(value)
        return Value(text=text, kind="Tensor", tensor=facts.describe(value), expression=expression)
    return Value(text=text_of(value, full=full), kind=type(value).__name__, expression=expression)


def _whole(tensor: Any) -> str:
    """Return the full text of up to a thousand elements; beyond, torch's own shortened one."""
    import torch

    from gradrepl.engine import torch_private

    with torch_private.DisableTorchFunction(), torch.no_grad():
        try:
            return repr(tensor)
        except USER_ERRORS:  # the repr of a subclass of the user's
            return tensor_text(tensor)
