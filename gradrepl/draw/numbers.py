"""Numbers in figures and words: how each kind of them is written, everywhere."""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence

SHORT = {
    "float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "int64": "i64",
    "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "complex64": "c64",
    "complex128": "c128",
}  # fmt: skip


def number(value: float | None) -> str:
    """Return a number in four digits, at most nine characters; '-' where there is none.

    >>> [number(value) for value in (0.34061, 28.5, 65536.0, 3.1e-9, -0.0, None)]
    ['0.3406', '28.5', '65536', '3.1e-9', '0', '-']
    """
    if value is None:
        return "-"
    if 1e3 <= abs(value) < 1e6:
        return f"{value:.0f}"
    mantissa, exponential, exponent = f"{value + 0.0:.4g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponential else mantissa


def percent(share: float | None) -> str:
    """Return a share in percent; nothing where there is none.

    >>> percent(0.51196), percent(1.0), percent(None)
    ('51.2%', '100%', '')
    """
    return "" if share is None else f"{share * 100:.3g}%"


def span(low: float | None, high: float | None) -> str:
    """Return '0..1'; of what cannot be ordered 'nan'."""
    if low is None or high is None:
        return ""
    return "nan" if low != low or high != high else f"{number(low)}..{number(high)}"


def seconds(duration: float | None) -> str:
    """Return a duration in the unit that suits it.

    >>> [seconds(value) for value in (3.1e-5, 0.0032, 1.4, 0.0, None)]
    ['31 µs', '3.2 ms', '1.4 s', '0 s', '']
    """
    if duration is None:
        return ""
    if 0 < duration < 1e-3:
        return f"{duration * 1e6:.3g} µs"
    return f"{duration * 1e3:.3g} ms" if 0 < duration < 1 else f"{duration:.3g} s"


def size(count: int) -> str:
    """Return a number of bytes.

    >>> size(200), size(32768)
    ('200 B', '32.0 KiB')
    """
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def count(number: int, what: str, several: str = "") -> str:
    """Return how many there are, in the right number.

    >>> count(1, "storage"), count(1797, "sample"), count(0, "batch", "batches")
    ('1 storage', '1,797 samples', '0 batches')
    """
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def of(total: int | None) -> str:
    """Return ' of 12'; nothing where the total is not known."""
    return "" if total is None else f" of {total}"


def times(number: int) -> str:
    """Return 'once', or '3 times'."""
    return "once" if number == 1 else f"{number:,} times"


def shape(sizes: Sequence[int] | None) -> str:
    """Return ``(64, 128)``; nothing where there is none."""
    return "" if sizes is None else str(tuple(sizes))


def dtype(name: str) -> str:
    """Return ``f32`` for ``torch.float32``."""
    name = name.removeprefix("torch.")
    return SHORT.get(name, name)


def elements(sizes: Sequence[int]) -> int:
    """Return how many elements a tensor of this shape has."""
    return math.prod(sizes)


def broken(value: float | None) -> bool:
    """Is it nan or inf?"""
    return value is not None and not math.isfinite(value)


def describe_exit(code: int) -> str:
    """Say how a process ended.

    >>> describe_exit(3), describe_exit(-9)
    ('exited with code 3', 'killed by SIGKILL')
    """
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
