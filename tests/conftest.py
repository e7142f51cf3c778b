"""A process with torch in it that forks one for each program of a test."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several processes at once shall not spin
os.environ.pop("PYTHONUNBUFFERED", None)  # a line of a program's output comes in one piece
sys.path.insert(0, str(Path(__file__).parent))

from debuggee import Debuggee
from nursery import Nursery, nursery


def pytest_configure() -> None:
    """Say so where the plugins that are installed are not those of this checkout."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    installed = entry_points(group="gradrepl").names
    missing = set(project["project"]["entry-points"]["gradrepl"]) - installed
    if missing:
        raise pytest.UsageError(
            f"not installed: the plugins {', '.join(sorted(missing))}. Install this checkout again:"
            " pip install --no-deps --no-build-isolation -e ."
        )


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Keep one for all tests."""
    with nursery(tmp_path_factory.mktemp("programs")) as found:
        yield found


@pytest.fixture
def attached(home: Nursery) -> Callable[..., Debuggee]:
    """Return a function that runs a program with ``go`` and compares it with its run alone."""

    def run(argv: list[str], go: Callable[[Debuggee], object]) -> Debuggee:
        home.start(*argv)
        outcome, d = home.debugged(*argv, go=go)
        assert outcome == home.outcome(*argv)
        return d

    return run
