"""What is asked of the loader laboratory, and what it answers."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from gradrepl import model, protocol

# -- how many workers --------------------------------------------------------------------------


class TuneLoader(protocol.Request, frozen=True, kw_only=True):
    """``:tune EXPR``: measure a copy of the loader with 0, 1, 2, 4... workers."""

    expression: str = ""
    seconds: float = 2.0
    workers: tuple[int, ...] = ()
    """Empty: 0, 1, 2, 4 as far as there are cores, and what the loader has."""


class TuneRow(msgspec.Struct, frozen=True, kw_only=True):
    """One number of workers, measured."""

    workers: int
    samples_per_second: float = 0.0
    batches: int = 0
    first: float = 0.0
    """Seconds to the first batch: starting the workers."""
    seconds: float = 0.0
    failed: str = ""


class Tuning(model.Record, frozen=True, kw_only=True):
    """How fast a copy of a loader is with different numbers of workers."""

    PANE: ClassVar[str] = "time"
    name: str
    rows: tuple[TuneRow, ...] = ()
    now: int = 0
    """What the loader has."""
    best: int = 0
    verdict: str = ""
    stopped: bool = False
    cores: int = 0

    @property
    def loader(self) -> str:
        """Its name."""
        return self.name


# -- an epoch to its end -----------------------------------------------------------------------


class RunEpoch(protocol.Request, frozen=True, kw_only=True):
    """``:epoch run``: iterate a copy of the loader to its end, with ``Progress`` records."""

    expression: str = ""


class EpochRun(model.Record, frozen=True, kw_only=True):
    """A copy of a loader, iterated to its end (or its first error) on request."""

    PANE: ClassVar[str] = "classes"
    loader: str
    batches: int
    """That came."""
    total: int | None = None
    samples: int = 0
    seconds: float = 0.0
    workers: int = 0
    first: float = 0.0
    """Seconds to the first batch: starting the workers."""
    slowest: tuple[tuple[int, float], ...] = ()
    """(batch, seconds that it was waited for), at most 3, without the first."""
    labels: tuple[tuple[str, int], ...] = ()
    """How often each label came, the most frequent first, at most 32."""
    stopped: bool = False
    """Ctrl+C ended it."""
    failed: int | None = None
    """The batch that raised."""
    indices: tuple[str, ...] = ()
    """Of that batch, as far as they are known, at most 64."""
    error: str = ""
    hint: str = ""
    """Which sample it was, and what to do."""
    notes: tuple[str, ...] = ()
    """Which epoch it was, and that no generator of the program was touched."""


# -- against one batch from memory -------------------------------------------------------------


class AskSynthetic(protocol.Request, frozen=True, kw_only=True):
    """``:synthetic``: measure a loader against one batch from memory; or put that in its place."""

    action: Literal["measure", "on", "off"] = "measure"
    expression: str = ""
    seconds: float = 2.0
    """Time for the copy of the loader; memory gets a quarter of it."""
    chosen: str = ""
    """What the command line chose (``--device``)."""


class Synthetic(model.Record, frozen=True, kw_only=True):
    """A loader against one batch from memory: is it the loader that holds the program up?"""

    PANE: ClassVar[str] = "time"
    loader: str
    on: bool = False
    """The program's own loops over it get one batch from memory: it is not what it was."""
    workers: int = 0
    real: float | None = None
    """Seconds a batch, a copy of the loader alone."""
    real_batches: int = 0
    memory: float | None = None
    """Seconds a batch, from memory."""
    memory_batches: int = 0
    nbytes: int = 0
    """Of the batch."""
    to_device: float | None = None
    """Seconds to copy the batch to ``device``; None where that is the CPU."""
    device: str = "cpu"
    batch: str = ""
    """What the batch is: '(32, 1, 8, 8) f32, (32,) i64'."""
    with_loader: model.Pace | None = None
    """The program's own steps with the loader, where they were seen."""
    with_memory: model.Pace | None = None
    """Its steps with the batch from memory."""
    verdict: str = ""
    stopped: bool = False
    notes: tuple[str, ...] = ()
