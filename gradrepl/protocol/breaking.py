"""Requests about breakpoints."""

from __future__ import annotations

from gradrepl import conditions
from gradrepl.protocol.running import Request


class SetBreakpoint(Request, frozen=True, kw_only=True):
    """Stop where ``condition`` holds."""

    condition: conditions.Condition
    text: str
    temporary: bool = False


class ChangeBreakpoint(Request, frozen=True, kw_only=True):
    """Change one breakpoint, or with ``id`` 0 all of them."""

    id: int
    action: str
    """'enable', 'disable', 'clear', 'ignore', 'condition', 'commands'."""
    count: int = 0
    text: str = ""
    commands: tuple[str, ...] = ()


class ListBreakpoints(Request, frozen=True, kw_only=True):
    """All breakpoints."""
