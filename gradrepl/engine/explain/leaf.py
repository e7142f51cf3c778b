"""Why a tensor is a leaf or is none, and why it has no gradient: one sentence each."""

from __future__ import annotations

import os
from typing import Any

import torch

from gradrepl.engine.forward.calls import Call
from gradrepl.engine.forward.flow import History
from gradrepl.engine.tensor import facts, figures

UNSEEN = "the op that made it was not recorded"


def said(call: Call) -> str:
    """Return 'relu (train.py:27)' or 'mul under no_grad (train.py:3)'."""
    mode = f" under {call.mode}" if call.mode else ""
    place = f" ({os.path.basename(call.site.file)}:{call.site.line})" if call.site else ""
    return call.name + mode + place


def leaf(tensor: torch.Tensor, history: History, cut: str, writer: Call | None, shared: str) -> str:
    """Say why ``tensor`` is a leaf or is none.

    ``cut`` is how it left the graph, as the recorder saw it; ``writer`` the op of its grad_fn;
    ``shared`` the name of a tensor with a gradient whose memory it lives in.
    """
    maker = history.maker
    if not facts.is_leaf(tensor):
        return _no_leaf(tensor, maker, writer)
    if tensor.requires_grad:
        return _with_grad(tensor, maker, cut)
    made = f"; {said(maker)} made it" if maker else f"; {UNSEEN}"
    if tensor.is_inference():
        return f"a leaf: an inference tensor, made under inference_mode{made}."
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return f"a leaf: its dtype {facts.short(tensor.dtype)} can have no gradient{made}."
    if cut:
        if maker is None or cut == said(maker):
            return f"a leaf: {cut} cut it off from what requires a gradient."
        return f"a leaf: {said(maker)} made it of what {cut} had cut off."
    if maker is None:
        if shared:
            return (
                f"a leaf: it lives in the memory of '{shared}', which requires a gradient, and has "
                f"no grad_fn: it was cut off (detach, .data, no_grad); {UNSEEN}."
            )
        return (
            "a leaf: it has no grad_fn and does not require a gradient: made so, or cut off; "
            f"{UNSEEN}."
        )
    if not history.of:
        return f"a leaf: made by the user with {said(maker)}, without requires_grad=True."
    return f"a leaf: {said(maker)} made it of tensors none of which requires a gradient."


def _no_leaf(tensor: torch.Tensor, maker: Call | None, writer: Call | None) -> str:
    if maker is not None and writer is not None and writer is not maker:
        return (
            f"no leaf: {said(maker)} made it, and {said(writer)} gave it its grad_fn, of tensors "
            "that require a gradient."
        )
    made = maker or writer
    if made is not None:
        return f"no leaf: {said(made)} computed it of tensors that require a gradient."
    name = facts.node_name(tensor) or "its grad_fn"
    return f"no leaf: computed of tensors that require a gradient ({name}); {UNSEEN}."


def _with_grad(tensor: torch.Tensor, maker: Call | None, cut: str) -> str:
    base = tensor._base
    if base is not None and base.requires_grad:
        made = f" ({said(maker)})" if maker else ""
        return (
            f"a leaf of its own: a view made under no_grad{made}; no gradient goes on from it to "
            "the tensor it is a view of."
        )
    if isinstance(tensor, torch.nn.Parameter):
        return "a leaf: a Parameter, which the user or a module made."
    if cut:
        return f"a leaf: {cut} cut it off, then requires_grad was set."
    if maker is not None:
        return f"a leaf: made by the user with {said(maker)}, with requires_grad set."
    return f"a leaf: requires_grad was set on it; {UNSEEN}."


def state_of(gradient: torch.Tensor) -> tuple[str, float | None]:
    """Return 'ok', 'zero', 'nan' or 'inf', and the norm; 'ok' where its elements are not read."""
    norm = figures.norm(gradient)
    if norm is None:
        return "ok", None
    if norm != norm:
        return "nan", norm
    return ("inf" if norm == float("inf") else "zero" if norm == 0 else "ok"), norm


def no_grad(tensor: torch.Tensor, name: str, other: str, backward: Any, became: str = "") -> str:
    """Say why ``tensor`` has no gradient.

    ``other`` is the name of a leaf in reach that has one, or ''; ``backward`` the pass that is
    paused, or None; ``became`` what the recorded ops made of it, as a sentence.
    """
    if not tensor.requires_grad:
        return "none: it does not require a gradient."
    if not facts.is_leaf(tensor):
        if tensor.retains_grad:
            return "none yet: the next backward that comes by leaves one here."
        return (
            f"none: not a leaf, and a backward keeps the gradients of leaves only; ':retain "
            f"{name or 'EXPR'}' keeps this one, too, from now on."
        )
    if backward is not None:
        return _in_pass(tensor, backward, became)
    if other:
        return (
            f"none: never reached: '{other}' has a gradient, so a backward has run, but none has "
            "led here since this one was made or cleared" + (f": {became}" if became else ".")
        )
    return "none: no backward has come here since it was made or cleared."


def _in_pass(tensor: torch.Tensor, backward: Any, became: str) -> str:
    for place, node in enumerate(backward.graph.nodes):
        if getattr(node, "variable", None) is tensor:
            where = backward.order.place(place)
            if not where:
                return "none: the backward that is paused was not asked for it."
            return f"none yet: the backward that is paused comes to it at node #{where}."
    after = f": {became}" if became else "."
    return f"none: the backward that is paused does not lead to it{after}"
