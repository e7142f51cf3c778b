"""Requests about modules, Functions, graphs, and single facts of a tensor."""

from __future__ import annotations

from gradrepl.protocol.running import Request


class Retain(Request, frozen=True, kw_only=True):
    """``:retain EXPR``: ``retain_grad()`` on a tensor that is not a leaf."""

    expression: str


class Gradient(Request, frozen=True, kw_only=True):
    """``:grad EXPR``: everything about ``EXPR.grad``, or why there is none."""

    expression: str


class LeafWhy(Request, frozen=True, kw_only=True):
    """``:leaf EXPR``: is it a leaf, and why."""

    expression: str


class FunctionOf(Request, frozen=True, kw_only=True):
    """``:fn EXPR|#N``: the node of a tensor, a node itself, or a node of the paused backward."""

    target: str


class ModuleRows(Request, frozen=True, kw_only=True):
    """``:mods``: a window on the modules below ``expression``, or below all roots in reach."""

    expression: str = ""
    first: int = 0
    count: int = 200
    depth: int | None = None
    """Deeper modules get no row; None for all."""


class GraphRows(Request, frozen=True, kw_only=True):
    """``:graph``: a window on the rows of a graph; nothing runs.

    Without ``expression`` the graph of the backward that is paused.
    """

    expression: str = ""
    first: int = 0
    count: int = 40
    depth: int | None = None
    """Modules at this depth of their path and deeper are one row each; None: unfold everything."""
    unfold: tuple[str, ...] = ()
    """Paths of modules that are shown node by node all the same."""
    pattern: str = ""
    """Also find the rows whose name, label or module has this in it."""
