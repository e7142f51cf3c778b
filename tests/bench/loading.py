"""What watching loaders costs their throughput: ``loading.py NAME SECONDS``."""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import inside
import torch
from table import Row, Section, in_child
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gradrepl.engine.data.wanted import Loops
from gradrepl.engine.session import Session

WATCH, BREAK = "loader watch", "b batch 10**9"
GOAL = 1.03
"""At most 3 % of the throughput, with workers."""
NOISE = 0.01
FEW, PATIENCE = 5, 3


class Decoded(Dataset[torch.Tensor]):
    """Samples that take about a tenth of a millisecond, as small images do."""

    def __init__(self) -> None:
        self.images = torch.rand(2048, 3, 32, 32)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        image = self.images[index]
        return ((image - image.mean()) / image.std()).flip(-1)


def loaders() -> dict[str, Callable[[], DataLoader[object]]]:
    """Return makers of what is measured."""
    numbers = TensorDataset(torch.arange(4096.0), torch.arange(4096))
    return {
        "images, 2 workers": lambda: DataLoader(
            Decoded(), 32, shuffle=True, num_workers=2, persistent_workers=True
        ),
        "numbers, 2 workers": lambda: DataLoader(
            numbers, 32, shuffle=True, num_workers=2, persistent_workers=True
        ),
        "images, no workers": lambda: DataLoader(Decoded(), 32, shuffle=True),
        "numbers, no workers": lambda: DataLoader(numbers, 32, shuffle=True),
    }


@contextmanager
def watched(engine: Session, how: str) -> Iterator[None]:
    """Have the loops over loaders watched."""
    loops = engine.state(Loops)
    if how == BREAK:
        with inside.armed(engine, "batch 1000000000", forward=False):
            yield
        return
    loops.asked = True
    engine.stepper.rearm()
    try:
        yield
    finally:
        loops.asked = False
        engine.stepper.rearm()


class Cost(NamedTuple):
    """What watching costs."""

    median: float
    """Of the ratios of watched epochs over the bare ones beside them."""
    best: float
    noise: float
    """Standard error of the median."""
    added: float
    """Microseconds of CPU that a batch takes more in the program's own process."""


def epoch(loader: DataLoader[object]) -> tuple[float, float]:
    """Return the seconds that one epoch takes, and the CPU seconds of this thread a batch."""
    start, cpu = time.perf_counter(), time.thread_time()
    count = 0
    for _ in loader:
        count += 1
    return time.perf_counter() - start, (time.thread_time() - cpu) / count


def compare(loader: DataLoader[object], how: str, seconds: float) -> Cost:
    """Compare watched epochs with bare ones beside them, until the noise is below 1 %.

    It takes ``seconds`` at least, and at most PATIENCE times as long.
    """
    engine = inside.session()
    epoch(loader)
    ratios: list[float] = []
    added: list[float] = []
    start = time.monotonic()
    before = epoch(loader)
    while len(ratios) < FEW or _goes_on(time.monotonic() - start, seconds, ratios):
        with watched(engine, how):
            took = epoch(loader)
        after = epoch(loader)
        ratios.append(2 * took[0] / (before[0] + after[0]))
        added.append(1e6 * (took[1] - (before[1] + after[1]) / 2))
        before = after
    return Cost(
        statistics.median(ratios), min(ratios), error(ratios), statistics.median(added)
    )  # fmt: skip


def _goes_on(spent: float, seconds: float, ratios: list[float]) -> bool:
    return spent < seconds or (error(ratios) > NOISE and spent < PATIENCE * seconds)


def error(ratios: list[float]) -> float:
    """Return the standard error of the median, as the spread around it tells."""
    middle = statistics.median(ratios)
    spread = 1.4826 * statistics.median(abs(each - middle) for each in ratios)
    return 1.2533 * spread / math.sqrt(len(ratios))


def measure(seconds: float) -> Section:
    """Measure all loaders, each in a process of its own."""
    names = tuple(loaders())
    found = {
        name: {how: Cost(*each) for how, each in in_child("loading", name, str(seconds)).items()}
        for name in names
    }
    rows = []
    for how in (WATCH, BREAK):
        costs = [found[name][how] for name in names]
        noise = ", ".join(f"{each.noise:.1%}" for each in costs)
        rows += [
            Row(
                how, tuple(each.median for each in costs), (GOAL, GOAL, None, None),
                best=tuple(each.best for each in costs), note=f"noise {noise}",
            ),
            Row(f"{how}: CPU a batch", tuple(each.added for each in costs), unit="us"),
        ]  # fmt: skip
    return Section("Watching loaders, seconds of an epoch over bare", names, tuple(rows))


if __name__ == "__main__":
    made = loaders()[sys.argv[1]]()
    spent = float(sys.argv[2]) / 2
    print(json.dumps({how: compare(made, how, spent) for how in (WATCH, BREAK)}))
