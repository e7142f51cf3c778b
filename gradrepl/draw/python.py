"""Python in colours, lexed as a whole: what stands in a docstring is a string, not keywords."""

from __future__ import annotations

import linecache
from collections.abc import Sequence
from functools import lru_cache

from gradrepl.draw import ink
from gradrepl.draw.ink import Line

WHOLE = 1 << 16
"""Characters up to which a file is lexed from its first line on: that takes a tenth of a second."""


@lru_cache(maxsize=256)
def python(text: str) -> tuple[Line, ...]:
    r"""Return the lines of Python as spans with roles.

    >>> python("'''for\nall'''")
    ([("'''for", 'string')], [("all'''", 'string')])
    """
    from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]
    from pygments.token import (  # type: ignore[import-untyped]
        Comment,
        Keyword,
        Number,
        String,
    )

    roles = ((Comment, "comment"), (String, "string"), (Keyword, "keyword"), (Number, "number"))
    lines: list[Line] = [[]]
    for kind, value in PythonLexer(stripnl=False, ensurenl=False).get_tokens(text):
        role = next((role for token, role in roles if kind in token), "")
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1].append(ink.span(part, role))
    plain = text.split("\n")
    same = len(lines) == len(plain)  # the lexer takes a lone carriage return for a line's end, too
    return tuple(lines) if same else tuple([ink.span(line)] for line in plain)


def part_of_file(file: str, first: int, texts: Sequence[str]) -> Sequence[Line]:
    """Return lines of a file from number ``first`` on, in the colours that they have in it."""
    linecache.checkcache(file)
    lines = [line.rstrip("\n") for line in linecache.getlines(file)]
    known = lines[first - 1 : first - 1 + len(texts)] == list(texts)
    whole = "\n".join(lines)
    if known and len(whole) <= WHOLE:
        return python(whole)[first - 1 : first - 1 + len(texts)]
    return python("\n".join(texts))
