"""What was measured, and the one table that is printed of it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from gradrepl.launch import large_stack

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SECONDS = 170
"""How long one child may measure."""


class Row(msgspec.Struct, frozen=True):
    """One measured value beside what was aimed at."""

    what: str
    values: tuple[float | None, ...]
    """One for each column, or a single one."""
    goals: tuple[float | None, ...] = ()
    unit: str = "x"
    """'x' for a ratio over bare: the only values that a test may judge."""
    others: str = ""
    """What the others need for it, where that was measured."""
    note: str = ""
    best: tuple[float, ...] = ()
    """The smallest ratio of the adjacent pairs, for each column: what tests judge."""
    more_is_better: bool = False


class Section(msgspec.Struct, frozen=True):
    """Rows that share their columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def in_child(module: str, *arguments: str) -> Any:
    """Run a module of this folder alone in a process; return what it prints as JSON, last line.

    It has the stack that a debuggee has: what it walks may be deep.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    with large_stack():
        done = subprocess.run(
            [sys.executable, "-W", "ignore", str(HERE / f"{module}.py"), *arguments],
            capture_output=True, text=True, timeout=SECONDS, check=False, cwd=HERE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)}: {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def machine() -> str:
    """Return processor, cores, torch and Python."""
    from importlib.metadata import version

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {cores} cores, torch {version('torch')}, "
        f"Python {platform.python_version()}, one thread"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def load() -> str:
    """Return the load average: what else runs makes wall-clock times longer."""
    return f"load {os.getloadavg()[0]:.1f}"


def draw(sections: Iterable[Section]) -> str:
    """Return all sections as one table; where the goal is missed, the value has a '!'."""
    lines = [f"gradrepl on {machine()}", "value / goal; ! where the goal is missed"]
    for section in sections:
        lines += ["", _title(section)]
        lines += [_row(row) for row in section.rows]
    return "\n".join(lines)


def _title(section: Section) -> str:
    heads = "".join(f"{name:>16}" for name in section.columns)
    return f"{section.title:<46}{heads}"


def _row(row: Row) -> str:
    goals = row.goals or (None,) * len(row.values)
    cells = "".join(
        f"{_cell(value, goal, row):>16}" for value, goal in zip(row.values, goals, strict=True)
    )
    tail = "; ".join(filter(None, (row.note, row.others and f"others: {row.others}")))
    return f"  {row.what:<44}{cells}  {tail}".rstrip()


def _cell(value: float | None, goal: float | None, row: Row) -> str:
    if value is None:
        return "-"
    unit = "" if row.unit == "x" else f" {row.unit}"
    missed = goal is not None and (value < goal if row.more_is_better else value > goal)
    aim = "" if goal is None else f" /{goal:g}"
    return f"{'!' if missed else ''}{_number(value)}{unit}{aim}"


def _number(value: float) -> str:
    return f"{value:.3f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"
