"""What ``e`` begins to type: the left side of an assignment that changes the run."""

from __future__ import annotations

import ast

from gradrepl import model


def target(stop: model.Stop | None) -> str:
    """Return the left side of an assignment that truly changes what runs on from ``stop``.

    Before a node its incoming gradients can be exchanged. The result of an op is already on its
    way to the user's variable, so it is changed in place. Before an op runs, variables can be.
    """
    if stop is None or stop.phase == "exception":
        return ""
    if stop.phase == "backward":
        grads = stop.node.grad_in if stop.node is not None else ()
        index = next((i for i, grad in enumerate(grads) if grad is not None), 0)
        return f"grad_in[{index}] = "
    if stop.when == "after" and stop.op is not None and stop.op.outputs:
        return "out.data[...] = " if len(stop.op.outputs) == 1 else "outputs[0].data[...] = "
    name = variable(stop.site.text if stop.site else "")
    return f"{name} = " if name else ""


def variable(line: str) -> str:
    """Return the first variable that a line of source reads, or nothing."""
    try:
        tree = ast.parse(line.strip())
    except SyntaxError:
        return ""
    called = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called |= {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        plain = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        if plain and id(node) not in called:
            return node.id  # type: ignore[attr-defined, no-any-return]
    return ""
