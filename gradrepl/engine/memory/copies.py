"""What each way of copying does, tried on the tensor itself, or on a stand-in for a large one.

Nothing of it is left: the results are dropped, no counter rises, no random number is drawn, no
gradient is written; the user's modes, hooks and warnings do not see it.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gradrepl.draw.numbers import size
from gradrepl.engine.memory import relations
from gradrepl.engine.tensor import facts
from gradrepl.model import Copies, CopyWay

LIMIT = 1 << 20
"""Bytes up to which a tensor is copied to try it; a larger one has a stand-in."""
SIDE = 4
"""Elements along each dimension of a stand-in."""

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
    for stride, place in sorted((s, p) for p, s in enumerate(tensor.stride())):
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
        same_counter=relations.same_counter(made, tried),
        gradient=made is tried or relations.gradient_path(made, tried) is not None,
        leaf=facts.is_leaf(made),
        copied=0 if same else count * made.element_size(),
    )


def _first_sentence(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0]
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
