"""Speed is measured only when it is asked for: ``pytest -m bench``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out, unless the marker was named."""
    return None if "bench" in config.option.markexpr else True
