"""Measure everything and print one table: ``python tests/bench [idle overhead watching ...]``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import export
import graphs
import idle
import loading
import overhead
import screen
import stepping
import watching
from table import Section, draw, load

SECTIONS: dict[str, Callable[[], Section]] = {
    "idle": lambda: idle.measure(8),
    "overhead": lambda: overhead.measure(20),
    "watching": lambda: watching.measure(60),
    "loading": lambda: loading.measure(24),
    "graphs": graphs.measure,
    "export": export.measure,
    "stepping": stepping.measure,
    "screen": screen.measure,
}


def main(names: list[str]) -> None:
    """Print the table of the sections called ``names``, or of all."""
    found = []
    for name in names or SECTIONS:
        start, before = time.monotonic(), load()
        found.append(SECTIONS[name]())
        seconds = time.monotonic() - start
        print(f"{name}: {seconds:.0f} s, {before} before, {load()} after", file=sys.stderr)
    print(draw(found))


if __name__ == "__main__":
    main(sys.argv[1:])
