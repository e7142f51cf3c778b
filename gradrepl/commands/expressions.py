"""Typed text as Python expressions: one, or several on a line."""

from __future__ import annotations

import ast
import re
import warnings

from gradrepl.conditions import outside
from gradrepl.errors import UsageError


def is_expression(text: str) -> bool:
    """Is ``text`` an expression, or a node or a name at a stop: '#7', '$gin'?

    >>> [is_expression(each) for each in ("f(x)[0]", "#7", "x y", "x = 1")]
    [True, True, False, False]
    """
    if "#" in outside(text.strip())[1:]:
        return False  # a comment
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(re.sub(r"^[#$](?=\w)", "_", text.strip()), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def expressions(text: str) -> tuple[str, ...]:
    """Split a line into expressions: at commas, else at blanks, outside of brackets.

    >>> expressions("x, f(a, b)"), expressions("a + b x[0, 1]")
    (('x', 'f(a, b)'), ('a + b', 'x[0, 1]'))

    Raises:
        UsageError: a part is not an expression.
    """
    commas = [found.start() for found in re.finditer(",", outside(text))]
    edges = zip([0, *(at + 1 for at in commas)], [*commas, len(text)], strict=True)
    parts = [text[start:end].strip() for start, end in edges]
    parts = [part for part in parts if part] if commas else _apart(text.strip())
    for part in parts:
        if not is_expression(part):
            raise UsageError(f"'{part}' is not an expression.", "Write: x, or: x y, or: x, f(y)")
    return tuple(parts)


def _apart(text: str) -> list[str]:
    """Split at blanks, so that each part is as long as an expression can be."""
    parts = []
    while text:
        ends = [*(found.start() for found in re.finditer(r"\s+", outside(text))), len(text)]
        end = next((end for end in reversed(ends) if is_expression(text[:end])), ends[0])
        parts.append(text[:end])
        text = text[end:].lstrip()
    return parts
