"""What is asked of the loader laboratory."""

from __future__ import annotations

from typing import Literal

from gradrepl import protocol
from gradrepl.model import EpochRun, Synthetic, Tuning
from gradrepl.model.data import TuneRow

__all__ = ["AskSynthetic", "EpochRun", "RunEpoch", "Synthetic", "TuneLoader", "TuneRow", "Tuning"]


class TuneLoader(protocol.Request, frozen=True, kw_only=True):
    """``:tune EXPR``: measure a copy of the loader with 0, 1, 2, 4... workers."""

    expression: str = ""
    seconds: float = 2.0
    workers: tuple[int, ...] = ()
    """Empty: 0, 1, 2, 4 as far as there are cores, and what the loader has."""


class RunEpoch(protocol.Request, frozen=True, kw_only=True):
    """``:epoch run``: iterate a copy of the loader to its end, with ``Progress`` records."""

    expression: str = ""


class AskSynthetic(protocol.Request, frozen=True, kw_only=True):
    """``:synthetic``: measure a loader against one batch from memory; or put that in its place."""

    action: Literal["measure", "on", "off"] = "measure"
    expression: str = ""
    seconds: float = 2.0
    """Time for the copy of the loader; memory gets a quarter of it."""
    chosen: str = ""
    """What the command line chose (``--device``)."""
