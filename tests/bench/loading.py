"""What watching loaders costs their throughput: ``loading.py NAME SECONDS``."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import inside
import torch
from table import Row, Section, in_child
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gradrepl.engine.session import Session

WATCH, BREAK = "loader watch", "b batch 10**9"
GOAL = 1.03
"""At most 3 % of the throughput, with workers."""


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
    stepper = engine.stepper
    if how == BREAK:
        with inside.armed(engine, "batch 1000000000", forward=False):
            yield
        return
    stepper.watch_loaders = True
    stepper.rearm()
    try:
        yield
    finally:
        stepper.watch_loaders = False
        stepper.rearm()


def epoch(loader: DataLoader[object]) -> float:
    """Return the seconds that one epoch takes."""
    start = time.perf_counter()
    for _ in loader:
        pass
    return time.perf_counter() - start


def compare(loader: DataLoader[object], how: str, seconds: float) -> tuple[float, float]:
    """Return the median and the smallest ratio of watched epochs over bare ones beside them."""
    engine = inside.session()
    epoch(loader)
    found = []
    end = time.monotonic() + seconds
    before = epoch(loader)
    while len(found) < 5 or time.monotonic() < end:
        with watched(engine, how):
            took = epoch(loader)
        after = epoch(loader)
        found.append(2 * took / (before + after))
        before = after
    return statistics.median(found), min(found)


def measure(seconds: float) -> Section:
    """Measure all loaders, each in a process of its own."""
    names = tuple(loaders())
    found = {name: in_child("loading", name, str(seconds)) for name in names}
    rows = [
        Row(
            how,
            tuple(found[name][how][0] for name in names),
            (GOAL, GOAL, None, None),
            best=tuple(found[name][how][1] for name in names),
        )
        for how in (WATCH, BREAK)
    ]
    return Section("Watching loaders, seconds of an epoch over bare", names, tuple(rows))


if __name__ == "__main__":
    made = loaders()[sys.argv[1]]()
    spent = float(sys.argv[2]) / 2
    print(json.dumps({how: compare(made, how, spent) for how in (WATCH, BREAK)}))
