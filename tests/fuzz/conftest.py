"""Random input. A short run is one of the tests; GRADREPL_FUZZ=100 tries a hundred times more."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture
def times() -> int:
    """Return by how much more than the short run is to be tried."""
    return int(os.environ.get("GRADREPL_FUZZ", "1"))


@pytest.fixture
def chance() -> random.Random:
    """Return where random choices come from; GRADREPL_SEED picks others than the usual ones."""
    return random.Random(os.environ.get("GRADREPL_SEED", "1"))
