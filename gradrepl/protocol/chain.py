"""Requests about the chain rule: paths, local derivatives, terms of a loss."""

from __future__ import annotations

from gradrepl.protocol.running import Request


class PathsTo(Request, frozen=True, kw_only=True):
    """``:paths``; an empty ``root`` is that of the backward that is paused."""

    leaf: str
    root: str = ""


class TermsOf(Request, frozen=True, kw_only=True):
    """``:terms LOSS``; empty: the root of the backward that is paused."""

    root: str = ""


class AddendsOf(Request, frozen=True, kw_only=True):
    """``:addends``: an expression or '#N'."""

    target: str
    root: str = ""


class RuleOf(Request, frozen=True, kw_only=True):
    """``:rule``: '#N', a tensor, or the name of a backward function; empty: where we stand."""

    what: str = ""


class Verify(Request, frozen=True, kw_only=True):
    """``:verify``: '#N', a call like 'F.gelu(x)'; empty: where we stand."""

    what: str = ""
