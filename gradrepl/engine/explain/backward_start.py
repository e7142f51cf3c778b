"""Why a backward cannot start from a tensor, said before the engine says it."""

from __future__ import annotations

import ast

import torch

from gradrepl.engine.forward.flow import Cuts
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.tensor import facts
from gradrepl.errors import AutogradError

LOOKED_AT = 10_000
"""Nodes searched for freed values before a backward."""


def split(text: str) -> tuple[str, str]:
    """Split ``loss, retain_graph=True`` into the root and what its ``backward`` is called with."""
    try:
        call = ast.parse(f"_({text})", mode="eval").body
    except SyntaxError:
        return text, ""
    if not isinstance(call, ast.Call) or not call.args or len(call.args + call.keywords) == 1:
        return text, ""
    more = [*map(ast.unparse, call.args[1:]), *map(ast.unparse, call.keywords)]
    return ast.unparse(call.args[0]), ", ".join(more)


def check(tensor: torch.Tensor, expression: str, cuts: Cuts, start: object = None) -> None:
    """Refuse a root from which ``backward()`` cannot start, given the gradient ``start`` or none.

    Raises:
        AutogradError: it does not require a gradient, is no single number, or is of a freed graph.
    """
    if not tensor.requires_grad:
        raise AutogradError(
            f"'{expression}' has no grad_fn and does not require a gradient: "
            f"{_why_cut(tensor, cuts)}.",
            "Give a leaf requires_grad=True before the forward; ':t NAME' tells about a tensor.",
        )
    if tensor.numel() != 1 and start is None:
        shape = tuple(tensor.shape)
        whole = expression if expression.isidentifier() else f"({expression})"
        raise AutogradError(
            f"'{expression}' has shape {shape}, and a backward can start by itself only from a "
            "single number.",
            f"Use {whole}.sum() or .mean(), or :bw {expression}, torch.ones({shape}).",
        )
    _check_not_freed(tensor, expression)


def _why_cut(tensor: torch.Tensor, cuts: Cuts) -> str:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return f"its dtype {str(tensor.dtype).removeprefix('torch.')} can have none"
    how = cuts.of(tensor)
    return f"{how} cut it off" if how else "nothing that it was made of requires one"


def _check_not_freed(tensor: torch.Tensor, expression: str) -> None:
    root = facts.node_of(tensor)
    if root is None:
        return
    for node in Graph([root]).nodes[:LOOKED_AT]:
        if any(state == "freed" for _, _, state in nodes.saved(node)):
            raise AutogradError(
                f"the graph of '{expression}' was freed by an earlier backward: "
                f"{nodes.name(node)} has lost what it saved.",
                "Run the forward again, or step the first one with "
                f":bw {expression}, retain_graph=True.",
            )
