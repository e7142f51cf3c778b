"""A tensor's figures, values and histogram, and how far two are apart; no trace is left of it.

Figures of very large tensors are reduced to those that one pass without a copy can give.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.errors import UsageError
from gradrepl.model import Comparison, Histogram, Stats

FULL = 16 * 1024 * 1024
"""Elements up to which every figure is computed; beyond, only norm, min, max."""
UNREADABLE = (RuntimeError, NotImplementedError, TypeError, IndexError)
"""What arithmetic raises on a tensor whose elements only its own kind can read."""
FEW = 16
"""Elements up to which a tensor's values are shown whole."""
PIECE = 1 << 20
"""Elements of two tensors compared at a time, so that no whole copy is made."""
RTOL, ATOL = 1e-5, 1e-8
"""Tolerances of ``torch.allclose``."""
SMALL = 1e-18
"""A norm below it may have lost what it is of: the squares of its elements underflow in float32."""
TINY = 1e-150
"""The same of float64."""
BINS = 16
HUGE = 2.0**100
"""What elements are divided by whose range would overflow."""
LOOKED_AT = 1 << 20
"""Elements up to which a histogram is of all; beyond, of every so many along long dimensions."""


_unrecorded: set[int] = set()
"""Threads whose ops are in no profile just now."""


class quiet:
    """Run our own arithmetic unseen: no grad, no modes of anybody's, in nobody's profile."""

    __slots__ = ("_dispatch", "_function", "_grad", "_profiled")

    def __enter__(self) -> None:
        """Switch everything off."""
        self._function = torch_private.DisableTorchFunction()
        self._function.__enter__()
        self._dispatch = None
        if torch_private.dispatch_mode() is not None:
            self._dispatch = torch_private.disable_dispatch_modes()
            self._dispatch.__enter__()
        self._grad = torch.is_grad_enabled()
        torch_private.set_grad_enabled(False)
        self._profiled = torch_private.profiling() and threading.get_ident() not in _unrecorded
        if self._profiled:
            _unrecorded.add(threading.get_ident())
            torch_private.record_for_profiles(False)

    def __exit__(self, *error: Any) -> None:
        """Have everything as it was."""
        if self._profiled:
            torch_private.record_for_profiles(True)
            _unrecorded.discard(threading.get_ident())
        torch_private.set_grad_enabled(self._grad)
        if self._dispatch is not None:
            self._dispatch.__exit__(*error)
        self._function.__exit__(*error)


def readable(tensor: torch.Tensor) -> bool:
    """Has this tensor elements that can be read here?

    Not on meta, fake or inside vmap; nor where its storage was freed or made smaller under it
    (``untyped_storage().resize_``, as sharding does between uses), where torch reads all the same.
    """
    if tensor.is_meta or tensor.is_quantized or torch_private.in_functorch(tensor):
        return False
    if type(tensor).__name__ in ("FakeTensor", "FunctionalTensor", "DTensor"):
        return False
    try:
        return all(map(_in_bounds, _stored(tensor)))
    except UNREADABLE:  # a subclass with no storage of its own
        return True


def _stored(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the strided tensors that a tensor's elements lie in."""
    if tensor.is_nested:
        return (tensor.detach().values(),)
    if tensor.layout is torch.strided:
        return (tensor,)
    if tensor.layout is torch.sparse_coo:
        return tensor._indices(), tensor._values()
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    return ()


def _in_bounds(tensor: torch.Tensor) -> bool:
    """Does every element of a strided tensor lie in its storage?"""
    count = tensor.numel()
    if count and not tensor.is_contiguous():
        steps = zip(tensor.shape, tensor.stride(), strict=True)
        count = sum((size - 1) * step for size, step in steps) + 1
    end = (tensor.storage_offset() + count) * tensor.itemsize if count else 0
    return end <= tensor.untyped_storage().nbytes()


def _elements(tensor: torch.Tensor) -> torch.Tensor:
    """Return the stored elements, as floats or complex numbers where that takes no copy."""
    if tensor.layout is not torch.strided:
        return tensor.detach().coalesce().values() if tensor.is_sparse else tensor.detach().values()
    return tensor.detach()


def _once(elements: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Return a large expanded tensor without what it repeats, and how often it does."""
    if elements.numel() <= FULL or elements.layout is not torch.strided:
        return elements, 1
    repeated = [stride == 0 for stride in elements.stride()]
    once = elements[tuple(slice(0, 1) if again else slice(None) for again in repeated)]
    return once, elements.numel() // max(1, once.numel())


def norm(tensor: torch.Tensor) -> float | None:
    """Return the L2 norm, or None where there is none to compute (see ``readable``).

    It is nan or inf exactly if an element is, zero exactly if all are, apart from what is beyond
    float64.
    """
    if not readable(tensor):
        return None
    try:
        with quiet():
            elements, times = _once(_elements(tensor))
            return _norm(elements) * math.sqrt(times)
    except UNREADABLE:
        return None


def _norm(elements: torch.Tensor) -> float:
    if elements.dtype in (torch.float16, torch.bfloat16):
        result = torch.linalg.vector_norm(elements, dtype=torch.float32).item()
    elif elements.is_floating_point() or elements.is_complex():
        result = torch.linalg.vector_norm(elements).item()
    else:
        result = torch.linalg.vector_norm(elements.to(torch.float64)).item()
    if not SMALL <= result < math.inf and elements.numel():
        result = _wide_norm(elements)
    return float(result)


def _wide_norm(elements: torch.Tensor) -> float:
    """Return the norm of elements whose squares may be too small, or too large, for their type."""
    wide = torch.complex128 if elements.is_complex() else torch.float64
    result = torch.linalg.vector_norm(elements, dtype=wide).item()
    if elements.dtype == wide and not TINY <= result < math.inf:
        top = torch.linalg.vector_norm(elements, math.inf).item()
        if 0 < top < math.inf:
            result = top * torch.linalg.vector_norm(elements / top).item()
    return float(result)


def _count(elements: torch.Tensor, test: Any) -> int:
    """Count where ``test`` holds, in pieces, so that no mask of a large tensor is made whole."""
    if elements.dim() == 0 or elements.numel() <= FULL:
        return int(test(elements).sum())
    parts = torch.split(elements, max(1, len(elements) // 16))
    return int(sum(_count(part, test) for part in parts))


def stats(tensor: torch.Tensor) -> Stats | None:
    """Return the figures of ``tensor``, or None where its elements cannot be read.

    Raises nothing: a tensor whose arithmetic fails (a subclass of the user's) has no figures.
    """
    if not readable(tensor):
        return None
    try:
        with quiet():
            return _stats(*_once(_elements(tensor)))
    except UNREADABLE:
        return None


def _stats(elements: torch.Tensor, times: int) -> Stats:
    """Return the figures of ``elements``, each of which is there ``times`` times."""
    total = _norm(elements) * math.sqrt(times)
    nans = infs = 0
    if not math.isfinite(total):
        nans = times * _count(elements, torch.isnan)
        infs = times * _count(elements, torch.isinf)
    size = elements.numel()
    low = high = mean = zeros = None
    if size and not elements.is_complex():
        plain = elements.to(torch.uint8) if elements.dtype == torch.bool else elements
        low, high = (float(edge.item()) for edge in torch.aminmax(plain))
    if size and size <= FULL:
        zeros = times * (size - int(torch.count_nonzero(elements)))
        if not elements.is_complex():
            wide = torch.float32 if elements.dtype in (torch.float16, torch.bfloat16) else None
            if not elements.is_floating_point():
                wide = torch.float64
            mean = float(elements.mean(dtype=wide).item())
    return Stats(norm=total, min=low, max=high, mean=mean, nans=nans, infs=infs, zeros=zeros)


def values(tensor: torch.Tensor) -> str:
    """Return the values as text: all when few, else the first ones; '' where not readable."""
    if not readable(tensor) or tensor.layout is not torch.strided:
        return ""
    try:
        with quiet():
            plain = tensor.detach()
            if plain.numel() <= FEW:
                return _text(plain.tolist())
            while plain.dim() > 1:
                plain = plain[0]
            lead = "[" * tensor.dim()
            return lead + _text(plain[:6].tolist())[1:-1] + ", …"
    except UNREADABLE:
        return ""


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# -- how the elements spread -------------------------------------------------------------------


def histogram(tensor: torch.Tensor) -> Histogram | None:
    """Return the histogram of the finite elements, or None where there is none to tell.

    Complex, sparse and unreadable tensors have none, and neither has one without finite elements.
    """
    if not readable(tensor) or tensor.layout is not torch.strided or tensor.is_complex():
        return None
    try:
        with quiet():
            return _histogram(_thinned(tensor.detach()), tensor.numel())
    except UNREADABLE:
        return None


def _thinned(elements: torch.Tensor) -> torch.Tensor:
    """Return a view of at most ``LOOKED_AT`` elements, evenly taken, and copy nothing."""
    while elements.numel() > LOOKED_AT:
        longest = max(range(elements.dim()), key=lambda dim: elements.shape[dim])
        step = min(elements.shape[longest], -(-elements.numel() // LOOKED_AT))
        index: list[slice] = [slice(None)] * elements.dim()
        index[longest] = slice(None, None, step)
        elements = elements[tuple(index)]
    return elements


def _histogram(elements: torch.Tensor, total: int) -> Histogram | None:
    wide = torch.float32 if elements.device.type == "mps" else torch.float64
    looked_at = elements.numel()
    values = elements.reshape(-1).to(wide)
    values = values[values.isfinite()]
    if not len(values):
        return None
    low, high = (float(edge) for edge in torch.aminmax(values))
    if low == high:
        return Histogram(
            low=low, high=high, counts=(len(values),), looked_at=looked_at, total=total
        )
    scale = HUGE if math.isinf((high - low) * BINS) else 1.0
    counts = torch.histc(values / scale, BINS, low / scale, high / scale)
    numbers = tuple(int(count) for count in counts.tolist())
    return Histogram(low=low, high=high, counts=numbers, looked_at=looked_at, total=total)


# -- how far two are apart ---------------------------------------------------------------------


Pair = tuple[tuple[int, ...], torch.Tensor, torch.Tensor]
"""Where a piece begins, and the piece of each."""


def compare(a: torch.Tensor, b: torch.Tensor, names: tuple[str, str]) -> Comparison:
    """Return how far ``a`` is from ``b``.

    Raises:
        UsageError: their shapes differ, or one cannot be read here.
    """
    first, second = names
    if a.shape != b.shape:
        raise UsageError(
            f"'{first}' has shape {tuple(a.shape)} and '{second}' has {tuple(b.shape)}: only "
            "tensors of one shape are compared.",
            "Index or reshape one of them.",
        )
    for name, each in zip(names, (a, b), strict=True):
        if not readable(each) or each.layout is not torch.strided:
            raise UsageError(
                f"'{name}' has no elements that can be read here ({each.layout}, {each.device}).",
                "Compare what '.to_dense()' or '.cpu()' makes of it.",
            )
    with quiet():
        return _compared(a.detach(), b.detach(), names)


def _pieces(a: Any, b: Any, start: tuple[int, ...] = ()) -> Iterator[Pair]:
    if a.numel() <= PIECE or a.dim() == 0:
        yield start, a, b
        return
    rows = max(1, PIECE // max(1, a[0].numel()))
    if rows == 1 and a.dim() > 1:
        for row in range(len(a)):
            yield from _pieces(a[row], b[row], (*start, row))
        return
    for row in range(0, len(a), rows):
        yield (*start, -1 - row), a[row : row + rows], b[row : row + rows]


def _compared(a: torch.Tensor, b: torch.Tensor, names: tuple[str, str]) -> Comparison:
    wide = torch.complex128 if a.is_complex() or b.is_complex() else torch.float64
    different, close = 0, True
    worst: float | None = None
    index: tuple[int, ...] = ()
    apart = norm_a = norm_b = inner = 0.0
    for start, one, other in _pieces(a, b):
        x, y = one.to(wide), other.to(a.device, wide)
        same = (x == y) | (x.isnan() & y.isnan())
        different += x.numel() - int(torch.count_nonzero(same))
        close = close and torch.allclose(x, y, RTOL, ATOL, equal_nan=True)
        gap = torch.where(same, 0.0, (x - y).abs())
        if gap.numel() and _exceeds(largest := float(gap.max()), worst):
            worst, index = largest, _place(gap, start)
        apart += float((gap * gap).sum())
        norm_a += float((x.abs() ** 2).sum())
        norm_b += float((y.abs() ** 2).sum())
        inner += float((x * y.conj()).sum().real)
    scale = (norm_a * norm_b) ** 0.5
    return Comparison(
        a=names[0],
        b=names[1],
        shape=tuple(a.shape),
        equal=different == 0,
        close=close,
        elements=a.numel(),
        different=different,
        max_difference=worst,
        index=index,
        at=(_element(a[index]), _element(b[index])) if different else ("", ""),
        norm=apart**0.5,
        relative=apart**0.5 / norm_b**0.5 if norm_b else None,
        cosine=inner / scale if scale else None,
        notes=tuple(_differences(a, b)),
    )


def _exceeds(gap: float, worst: float | None) -> bool:
    """Is this larger? nan, where only one of both is, is larger than any number."""
    return worst is None or gap > worst or (gap != gap and worst == worst)


def _place(gap: torch.Tensor, start: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of the largest gap in the whole tensor; nan counts as the largest."""
    flat = int(torch.where(gap.isnan(), torch.inf, gap).argmax())
    index = [int(each) for each in torch.unravel_index(torch.tensor(flat), gap.shape)]
    if start and start[-1] < 0:  # the piece is a run of rows
        return (*start[:-1], index[0] - 1 - start[-1], *index[1:])
    return (*start, *index)


def _element(element: torch.Tensor) -> str:
    return f"{element.item():.6g}" if element.dtype != torch.bool else str(element.item())


def _differences(a: torch.Tensor, b: torch.Tensor) -> Iterator[str]:
    if a.dtype != b.dtype:
        yield f"dtype {a.dtype} and {b.dtype}".replace("torch.", "")
    if a.device != b.device:
        yield f"on {a.device} and {b.device}"
