"""What torch knows of two tensors that look alike, and what each way of copying keeps of it.

A version counter tells ``detach()`` from ``.data``. Torch says only each counter's value. Different
values are different counters, and a view has the counter of its ``_base``; where neither decides,
the counters are set to numbers of their own, read and set back, in one breath: exact, and nobody
sees it, unless another thread writes to the very tensors within these microseconds.

Ways of copying are tried on the tensor itself, or on a stand-in for a large one. Nothing of it is
left: the results are dropped, no counter rises, no random number is drawn, no gradient is written;
the user's modes, hooks and warnings do not see it.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from gradrepl import protocol as p
from gradrepl.draw.numbers import size
from gradrepl.engine import torch_private
from gradrepl.engine.code.evaluate import first_line
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import LEAF
from gradrepl.engine.session import Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures
from gradrepl.errors import UsageError
from gradrepl.model import Copies, CopyWay

NODES = 200_000
"""Nodes followed at the most."""
NAMED = 4
"""Nodes of a short way that are told by name."""
LIMIT = 1 << 20
"""Bytes up to which a tensor is copied to try it; a larger one has a stand-in."""
SIDE = 4
"""Elements along each dimension of a stand-in."""
Setter = Callable[[Sequence[torch.Tensor], Sequence[int]], None]


@cache
def _setter() -> Setter | None:
    """Return what sets the counters of several tensors; None where this torch has nothing."""
    unsafe: Any = torch_private.set_version_counter
    if unsafe is None:
        return None

    def one_by_one(several: Sequence[torch.Tensor], versions: Sequence[int]) -> None:
        for tensor, version in zip(several, versions, strict=True):
            unsafe(tensor, version)

    def at_once(several: Sequence[torch.Tensor], versions: Sequence[int]) -> None:
        unsafe(tuple(several), tuple(versions))

    try:
        unsafe((torch.empty(0),), (0,))
    except TypeError:  # torch before 2.7 takes one tensor
        return one_by_one
    return at_once


def counter_groups(tensors: Sequence[torch.Tensor]) -> list[int | None]:
    """Return a number for each tensor, equal where the counter is; None where there is none.

    The number is the place of the first tensor with this counter. Call it only inside of
    ``figures.quiet()``.
    """
    numbers: list[int | None] = [None] * len(tensors)
    by_version: dict[int, list[int]] = defaultdict(list)
    for place, tensor in enumerate(tensors):
        if not tensor.is_inference():
            by_version[tensor._version].append(place)
    for places in by_version.values():
        for place, number in zip(places, _told_apart([tensors[at] for at in places]), strict=True):
            numbers[place] = places[number]
    return numbers


def same_counter(a: torch.Tensor, b: torch.Tensor) -> bool | None:
    """Have the two one counter? None where one has none."""
    first, second = counter_groups([a, b])
    return None if first is None or second is None else first == second


def _told_apart(several: list[torch.Tensor]) -> list[int]:
    """Return for each of tensors of equal version the place of the first with its counter."""
    roots = [tensor._base if tensor._is_view() else tensor for tensor in several]
    leads: dict[int, int] = {}
    by_root = [leads.setdefault(id(root), place) for place, root in enumerate(roots)]
    set_versions = _setter()
    if len(leads) == 1 or set_versions is None:
        return by_root
    version = several[0]._version
    before = [version] * len(several)
    marks = range(version + 1, version + 1 + len(several))
    try:
        set_versions(several, marks)
        read = [tensor._version for tensor in several]
    finally:
        set_versions(several, before)
    leads.clear()
    return [leads.setdefault(mark, place) for place, mark in enumerate(read)]


def gradient_path(start: torch.Tensor, goal: torch.Tensor) -> list[str] | None:
    """Return the names of the nodes from ``start`` to ``goal``; None where no gradient flows.

    An empty list is a tensor that passes its gradient on by no node at all: the same variable.
    Looked for among the first ``NODES`` nodes. Call it only inside of ``figures.quiet()``.
    """
    if not start.requires_grad or not goal.requires_grad:
        return None
    target, root = _end(goal), facts.node_of(start)
    if start is goal or (root is not None and _arrives(root, start.output_nr, target)):
        return []
    return None if target is None or root is None else _shortest_path(root, target)


def _shortest_path(root: Any, target: Any) -> list[str] | None:
    before: dict[Any, Any] = {root: None}
    todo = [root]
    for node in todo:  # grows while we go: the shortest way is found first
        for follower, number in node.next_functions:
            if _arrives(follower, number, target):
                return _named(node, before)
            if follower is not None and follower not in before and len(before) < NODES:
                before[follower] = node
                todo.append(follower)
    return None


def _end(goal: torch.Tensor) -> Any:
    """Return where a gradient for ``goal`` arrives: (node, number), or the leaf itself."""
    if facts.is_leaf(goal):
        return goal
    node = facts.node_of(goal)
    return None if node is None else (node, goal.output_nr)


def _arrives(node: Any, number: int, target: Any) -> bool:
    if isinstance(target, torch.Tensor):
        return type(node) is LEAF and node.variable is target
    return bool((node, number) == target)


def _named(node: Any, before: dict[Any, Any]) -> list[str]:
    names = []
    while node is not None:
        names.append(nodes.name(node))
        node = before[node]
    return names[::-1]


# -- ways of copying -------------------------------------------------------------------------------

Way = tuple[str, Callable[[torch.Tensor], Any]]


def ways_to_copy(tensor: torch.Tensor) -> list[Way]:
    """Return the ways of copying that there are for a tensor like this."""
    other = _other_dtype(tensor.dtype)
    name = facts.short(other)
    ways: list[Way] = [
        ("{}.view(-1)", lambda x: x.view(-1)),
        ("{}[...]", lambda x: x[...]),
        ("{}.expand(2, ...)", lambda x: x.expand(2, *x.shape)),
        ("{}.reshape(-1)", lambda x: x.reshape(-1)),
        ("{}.contiguous()", lambda x: x.contiguous()),
        ("{}.detach()", lambda x: x.detach()),
        ("{}.data", lambda x: x.data),
        ("{}.numpy()", lambda x: x.numpy()),
        ("{}.detach().numpy()", lambda x: x.detach().numpy()),
        ("{}.clone()", lambda x: x.clone()),
        ("{}.detach().clone()", lambda x: x.detach().clone()),
        ("copy.deepcopy({})", copy.deepcopy),
        ("torch.tensor({})", torch.tensor),
        (f"{{}}.to({facts.short(tensor.dtype)})", lambda x: x.to(x.dtype)),
        (f"{{}}.to({name})", lambda x: x.to(other)),
        ("{}.cpu()", lambda x: x.cpu()),
    ]
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        ways.append(("{}.cuda()", lambda x: x.cuda()))
    return ways


def _other_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return another dtype, to which a cast warns of nothing."""
    if dtype.is_complex:
        return torch.complex64 if dtype == torch.complex128 else torch.complex128
    return torch.float32 if dtype == torch.float64 else torch.float64


@on(p.AskCopies)
def _(request: p.AskCopies, session: Session, place: Place) -> Copies:
    tensor = session.tensor(request.expression, place)
    with figures.quiet():
        plain = tensor.layout is torch.strided and not tensor.is_nested and not is_lazy(tensor)
        if not plain or not figures.readable(tensor):
            raise UsageError(
                f"'{request.expression}' cannot be copied to try it: its layout is "
                f"{facts.short(tensor.layout)}, its device {tensor.device}.",
                "Ask for a plain tensor on a device that has memory.",
            )
        return measure(tensor, request.expression)


def measure(tensor: torch.Tensor, name: str) -> Copies:
    """Try every way of copying ``tensor``. Call it only inside of ``figures.quiet()``."""
    tried, on = tensor, f"{name} itself"
    reason = _not_itself(tensor)
    if reason:
        tried, on = stand_in(tensor), f"a small stand-in of its layout and flags: {reason}"
    with _unheard():
        rows = tuple(
            _try(tried, way, each, name, tensor.numel()) for way, each in ways_to_copy(tensor)
        )
    nbytes = tensor.numel() * tensor.element_size()
    return Copies(name=name, ways=rows, nbytes=nbytes, measured_on=on)


def _not_itself(tensor: torch.Tensor) -> str:
    """Say why copies of the tensor itself must not be made; '' where they may."""
    own = tensor.numel() * tensor.element_size()
    held = tensor.untyped_storage().nbytes()  # deepcopy copies the whole storage
    grad = tensor.grad if facts.is_leaf(tensor) else None
    if max(own, held) > LIMIT:
        return f"copying {size(max(own, held))} only to try it is too much"
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return f"a {type(tensor).__name__} may copy itself in a way of its own"
    if vars(tensor) or (grad is not None and vars(grad)):
        return "deepcopy would copy the attributes that you put on it, too"
    return ""


def stand_in(tensor: torch.Tensor) -> torch.Tensor:
    """Return a small tensor of the same dtype, device, kind of strides and flags."""
    shape = [min(n, SIDE) for n in tensor.shape]
    strides, step, before = [0] * len(shape), 1, (1, 1)
    for stride, place in sorted((s, at) for at, s in enumerate(tensor.stride())):
        if stride == 0:
            continue
        dense = stride == before[0] * before[1]
        step = step if dense else 2 * step
        strides[place], before = step, (stride, tensor.shape[place])
        step *= shape[place]
    count = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True) if n)
    memory = torch.zeros(max(count, 1), dtype=tensor.dtype, device=tensor.device)
    if facts.is_leaf(tensor):
        small = memory.as_strided(shape, strides).detach()
        return small.requires_grad_(tensor.requires_grad)
    with torch.enable_grad():
        return memory.requires_grad_().as_strided(shape, strides)


def _try(tried: torch.Tensor, way: str, each: Callable[[Any], Any], name: str, count: int) -> Any:
    shown = way.format(name)
    try:
        with torch.enable_grad():
            made = each(tried)
    except (RuntimeError, TypeError, NotImplementedError) as error:
        return CopyWay(way=shown, failed=_first_sentence(error))
    if not isinstance(made, torch.Tensor):
        own = made.__array_interface__["data"][0] == tried.data_ptr()
        copied = 0 if own else count * made.itemsize
        return CopyWay(way=shown, same_bytes=own, gradient=False, copied=copied)
    same = made.untyped_storage()._cdata == tried.untyped_storage()._cdata
    return CopyWay(
        way=shown,
        same_tensor=made is tried,
        same_bytes=same,
        same_counter=same_counter(made, tried),
        gradient=made is tried or gradient_path(made, tried) is not None,
        leaf=facts.is_leaf(made),
        copied=0 if same else count * made.element_size(),
    )


def _first_sentence(error: Exception) -> str:
    line = first_line(error)
    sentence = re.match(r".+?[.!](?= |$)", line)
    return sentence[0] if sentence else line


@contextmanager
def _unheard() -> Iterator[None]:
    """Let nobody hear the warnings of this file.

    ``warnings.catch_warnings`` would make Python forget which warnings it has shown already.
    """
    ours = ("ignore", None, Warning, re.compile(re.escape(__name__)), 0)
    filters: list[Any] = warnings.filters  # type: ignore[assignment]
    filters.insert(0, ours)
    try:
        yield
    finally:
        filters.remove(ours)
