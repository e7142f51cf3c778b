"""A diagnosis: what is wrong, the evidence, what to change, and where."""

from __future__ import annotations

from collections.abc import Iterator

from gradrepl import model
from gradrepl.draw import ink
from gradrepl.draw.ink import Line
from gradrepl.draw.tensors import source_line

ROLES = {"error": "bad", "warning": "warn"}


def finding(each: model.Finding, plain: bool = False) -> Iterator[Line]:
    """Yield the lines of one diagnosis; '!' is a warning, '·' a hint."""
    role = ROLES.get(each.severity, "dim")
    mark = f"{each.severity}: " if plain else "! " if each.severity in ROLES else "· "
    yield [(mark, role), ink.span(each.what, role if each.severity in ROLES else "")]
    if each.why:
        yield [ink.span(f"    {each.why}", "dim")]
    if each.do:
        yield [ink.span(f"    {each.do}")]
    if each.site is not None:
        yield [ink.span(f"    {source_line(each.site)}", "code")]
