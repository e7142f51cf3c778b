"""Why a tensor has no gradient: it is a leaf or not, it was cut off, a backward cannot start there.

Tensors that are gone are followed, too: all that is needed is which call took what which other
call had made, and two weak references to one tensor are one object.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import ref

import torch

from gradrepl.engine.explain import source
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.forward.flow import Cuts, Flow, History, wrote
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.tensor import facts, figures
from gradrepl.errors import AutogradError

UNSEEN = "op not recorded"
CUTTING = frozenset(["detach", "detach_", "data", "item", "tolist", "numpy", "__array__"])
"""Ops whose very purpose it is."""
LISTED = 3
"""Cuts that are named."""
LOOKED_AT = 10_000
"""Nodes searched for freed values before a backward."""


def describe_op(call: Call) -> str:
    """Return 'relu (train.py:27)' or 'mul under no_grad (train.py:3)'."""
    mode = f" under {call.mode}" if call.mode else ""
    place = f" ({call.site.place})" if call.site else ""
    return call.name + mode + place


def explain_leaf(
    tensor: torch.Tensor, history: History, cut: str, writer: Call | None, shared: str
) -> str:
    """Say why ``tensor`` is a leaf or is not.

    ``cut`` is how it left the graph, as the recorder saw it; ``writer`` the op of its grad_fn;
    ``shared`` the name of a tensor with a gradient whose memory it lives in.
    """
    maker = history.maker
    if not facts.is_leaf(tensor):
        return _not_a_leaf(tensor, maker, writer)
    if tensor.requires_grad:
        return _with_grad(tensor, maker, cut)
    made = f"; {describe_op(maker)} made it" if maker else f"; {UNSEEN}"
    if tensor.is_inference():
        return f"a leaf: an inference tensor, made under inference_mode{made}."
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return f"a leaf: its dtype {facts.short(tensor.dtype)} can have no gradient{made}."
    return f"a leaf: {_without_graph(history, cut, shared)}."


def _without_graph(history: History, cut: str, shared: str) -> str:
    """Say why a tensor that could have a gradient does not require one."""
    maker = history.maker
    if cut:
        if maker is None or cut == describe_op(maker):
            return f"{cut} cut it off from what requires a gradient"
        return f"{describe_op(maker)} made it of what {cut} had cut off"
    if maker is not None and history.of:
        return f"{describe_op(maker)} made it of tensors none of which requires a gradient"
    if maker is not None:
        return f"made by the user with {describe_op(maker)}, without requires_grad=True"
    if shared:
        return (
            f"it lives in the memory of '{shared}', which requires a gradient, and has no grad_fn: "
            f"it was cut off (detach, .data, no_grad); {UNSEEN}"
        )
    return (
        "it has no grad_fn and does not require a gradient: created as a leaf or detached; "
        f"{UNSEEN}"
    )


def _not_a_leaf(tensor: torch.Tensor, maker: Call | None, writer: Call | None) -> str:
    if maker is not None and writer is not None and writer is not maker:
        return (
            f"not a leaf: {describe_op(maker)} made it, and {describe_op(writer)} gave it its "
            "grad_fn, of tensors that require a gradient."
        )
    made = maker or writer
    if made is not None:
        return f"not a leaf: {describe_op(made)} computed it of tensors that require a gradient."
    name = facts.node_name(tensor) or "its grad_fn"
    return f"not a leaf: computed of tensors that require a gradient ({name}); {UNSEEN}."


def _with_grad(tensor: torch.Tensor, maker: Call | None, cut: str) -> str:
    base = tensor._base
    if base is not None and base.requires_grad:
        made = f" ({describe_op(maker)})" if maker else ""
        return (
            f"a leaf of its own: a view made under no_grad{made}; no gradient goes on from it to "
            "the tensor it is a view of."
        )
    if isinstance(tensor, torch.nn.Parameter):
        return "a leaf: a Parameter, which the user or a module made."
    if cut:
        return f"a leaf: {cut} cut it off, then requires_grad was set."
    if maker is not None:
        return f"a leaf: made by the user with {describe_op(maker)}, with requires_grad set."
    return f"a leaf: requires_grad was set on it; {UNSEEN}."


def state_of(gradient: torch.Tensor) -> tuple[str, float | None]:
    """Return 'ok', 'zero', 'nan' or 'inf', and the norm; 'ok' where its elements are not read."""
    norm = figures.norm(gradient)
    if norm is None:
        return "ok", None
    if norm != norm:
        return "nan", norm
    return ("inf" if norm == float("inf") else "zero" if norm == 0 else "ok"), norm


def explain_no_grad(
    tensor: torch.Tensor, name: str, other: str, backward: Any, became: str = ""
) -> str:
    """Say why ``tensor`` has no gradient.

    ``other`` is the name of a leaf in scope that has one, or ''; ``backward`` the pass that is
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


# -- what became of it -------------------------------------------------------------------------


class End(NamedTuple):
    """Where the way from a tensor to a loss ends."""

    call: Call
    why: str
    """What the cut is, if ``call`` makes it; '' where nothing used what ``call`` made."""


def explain_cut(tensor: torch.Tensor, flow: Flow) -> str:
    """Say what became of ``tensor`` in the recorded ops; '' where they say nothing about it."""
    if not flow.entries:
        return ""
    inside = flow.behind_roots()
    uses = _uses(tensor, flow)
    if not uses:
        full = len(flow.entries) == flow.entries.maxlen  # one that is forgotten may have
        return "" if full else "no recorded op used it."
    if inside is None:
        uses = _preferred(uses)
    ends = list(_ends(tensor, flow, uses, inside))
    cuts = list(dict.fromkeys(end.why for end in ends if end.why))
    if cuts:
        more = f" and {len(cuts) - LISTED} more" if len(cuts) > LISTED else ""
        return f"what was made of it was cut off by {', '.join(cuts[:LISTED])}{more}."
    last = list(dict.fromkeys(describe_op(end.call) for end in ends))
    if last:
        return f"no recorded op used what {last[-1]} made of it."
    return "nothing that was made of it leads to the loss." if inside is not None else ""


def _uses(tensor: torch.Tensor, flow: Flow) -> dict[int, Call]:
    """Return the ops that made something of ``tensor``, by place: of each line the last."""
    start = ref(tensor)
    last: dict[object, int] = {}
    for place, (call, used, made) in enumerate(flow.entries):
        if any(each is start for each in used) and not all(each is start for each in made):
            last[call.site, call.name] = place
    return {place: flow.entries[place][0] for place in last.values()}


def _preferred(uses: dict[int, Call]) -> dict[int, Call]:
    """Return the uses that count where no backward was seen.

    What ran without a graph counts only where nothing else did: it is an evaluation. So does what
    took it off the graph itself, as a logger, an average of weights or DistributedDataParallel do.
    """
    own = {place: call for place, call in uses.items() if not _ran_without_graph(call)} or uses
    return {place: call for place, call in own.items() if call.name not in CUTTING} or own


def _ends(
    tensor: torch.Tensor, flow: Flow, uses: dict[int, Call], inside: set[int] | None
) -> Iterator[End]:
    """Yield where the ways from ``tensor`` end: at a cut, or at what nothing has used.

    A cut counts where what it made is in the last root (``inside``), or goes on as a number.
    """
    reached: dict[int, Call] = {}
    taken: set[int] = set()
    start = ref(tensor)
    for place, (call, used, made) in enumerate(flow.entries):
        inputs = {id(each) for each in used if id(each) in reached}
        if place not in uses and not inputs:
            continue
        taken |= inputs
        if cut := _cut(call, made):
            if inside is None or _leads_on(call, made, inside):
                yield End(call, cut)
            continue
        written = [each for at, each in enumerate(used) if wrote(call, at)]
        outputs = dict.fromkeys(map(id, (*made, *written)), call)
        for key in (*inputs, id(start)):
            outputs.pop(key, None)
        reached |= outputs
    yield from (End(call, "") for key, call in reached.items() if key not in taken)


def _leads_on(call: Call, made: list[ref[torch.Tensor]], inside: set[int]) -> bool:
    if any(id(each) in inside for each in made):
        return True
    names = source.targets(call.site)
    return call.site is not None and any(source.uses(call.site, name) for name in names)


def _cut(call: Call, made: list[ref[torch.Tensor]]) -> str:
    """Return what cuts off what went into ``call``, or ''."""
    if _ran_without_graph(call) or call.name in CUTTING:
        return describe_op(call)
    alive = [output for each in made if (output := each()) is not None]
    if any(output.requires_grad for output in alive):
        return ""
    dtype = getattr(torch, call.dtype, None) if call.dtype else None
    if isinstance(dtype, torch.dtype) and not (dtype.is_floating_point or dtype.is_complex):
        return f"{describe_op(call)}, which makes {facts.short(dtype)}"
    return describe_op(call) if alive else ""


def _ran_without_graph(call: Call) -> bool:
    return "no_grad" in call.mode or "inference" in call.mode


# -- where a backward starts --------------------------------------------------------------------


def split_call(text: str) -> tuple[str, str]:
    """Split ``loss, retain_graph=True`` into the root and what its ``backward`` is called with."""
    try:
        call = ast.parse(f"_({text})", mode="eval").body
    except SyntaxError:
        return text, ""
    if not isinstance(call, ast.Call) or not call.args or len(call.args + call.keywords) == 1:
        return text, ""
    more = [*map(ast.unparse, call.args[1:]), *map(ast.unparse, call.keywords)]
    return ast.unparse(call.args[0]), ", ".join(more)


def check_root(tensor: torch.Tensor, expression: str, cuts: Cuts, start: object = None) -> None:
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
        return f"its dtype {facts.short(tensor.dtype)} can have none"
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
