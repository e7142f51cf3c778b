"""Places for the files of every test of the screen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradrepl.tui import views
from gradrepl.tui.panels.base import Framed
from gradrepl_loader_lab import tune

sys.path.insert(0, str(Path(__file__).parent.parent))  # samples that other tests have, too


@pytest.fixture(autouse=True)
def _bundled_key() -> None:
    """Have the key that comes along with the loader laboratory, as it is when it is installed."""
    views.add_key(tune.command)  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep history and crash logs out of the user's folders."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    yield
    Framed.ascii = False
