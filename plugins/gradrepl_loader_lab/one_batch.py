"""One batch from memory in the place of a loader: is it the loader that holds the program up?

Measured alone on copies; and, where it is asked for, in the program's own loops. That changes the
program: it gets the same batch again and again, until it is told to stop.
"""

from __future__ import annotations

import pickle
import tempfile
import time
import weakref
from collections import deque
from pathlib import Path
from typing import Any

import torch
from msgspec import structs
from torch.utils.data import DataLoader

from gradrepl import model, protocol
from gradrepl.engine.code.patches import Once, Patch, passes
from gradrepl.engine.data import batches, devices, parts, workers
from gradrepl.engine.data.epoch_log import Step, pace_of
from gradrepl.engine.data.wanted import Loops, watch_of
from gradrepl.engine.data.watch import DataWatch
from gradrepl.engine.health.wanted import Gradients
from gradrepl.errors import StateError
from gradrepl.hookspecs import Here
from gradrepl_loader_lab import loader_copy, tuning
from gradrepl_loader_lab.records import Synthetic

KEPT = 120
COPIES = 10
"""Copies to the device that are timed."""
SHARE = 4
"""Memory is measured for this part of the time."""
REPLACED = (
    "the program's batches are replaced: it gets this one batch again and again, so that neither "
    "what it computes nor its random numbers are what they were; ':synthetic off' ends it."
)
COPIED = "measured in a copy of the program, with nothing else running."
now = time.perf_counter


class Swap:
    """One batch in the place of all that a loader would give."""

    def __init__(self, watch: DataWatch, loader: Any, batch: Any) -> None:
        self.on = True
        self.batch = batch
        self.total = batches.total_of(loader)
        self.loader = weakref.ref(loader)
        self.steps: deque[Step] = deque(maxlen=KEPT)
        self._handed: float | None = None
        self._watch = watch

        self._patch = Patch(DataLoader, "__iter__", self._iter, watch.part)
        self._patch.install()

    @passes
    def _iter(self, kept: Once, mine: Any) -> Any:
        if mine is self.loader() and self.on and not self._watch.unseen():
            return Again(self, mine)
        return kept(mine)

    def off(self) -> None:
        """Let the loader do its work again."""
        self.on = False
        self._patch.remove()

    def restart(self) -> None:
        """Somebody stops here: this step's time says nothing."""
        self._handed = None

    def serves(self, iterator: Any) -> bool:
        """Is this an iterator of the loader?"""
        loader = self.loader()
        mine = vars(iterator).get("_index_sampler")
        return self.on and loader is not None and mine is loader._index_sampler

    def instead(self, yielded: int) -> Any:
        """Return the batch, in the place of the one after ``yielded`` others of this epoch.

        Raises:
            StopIteration: the epoch is over.
        """
        moment = now()
        if self.total is not None and yielded >= self.total:
            self._handed = None
            raise StopIteration
        if self._handed is not None:
            self.steps.append(Step(moment - self._handed, now() - moment, None))
        self._handed = moment
        return self.batch


class Again:
    """An epoch of the one batch; from ``:synthetic off`` on what is left of it is the loader's."""

    def __init__(self, swap: Swap, loader: Any) -> None:
        self._swap, self._loader = swap, loader
        self._num_yielded = 0
        self._real: Any = None

    def __iter__(self) -> Again:
        """It is its own iterator."""
        return self

    def __len__(self) -> int:
        """As many batches as the loader has."""
        return len(self._loader)

    @passes
    def __next__(self) -> Any:
        """Return the batch, or the loader's own."""
        if self._real is None and not self._swap.on:
            self._real = iter(self._loader)
        if self._real is None:
            batch = self._swap.instead(self._num_yielded)
        elif self._swap.total is not None and self._num_yielded >= self._swap.total:
            raise StopIteration
        else:
            batch = next(self._real)
        self._num_yielded += 1
        return batch


def switched(loader: Any, name: str, here: Here, on: bool) -> Synthetic:
    """Put one batch in the place of ``loader`` in the program's loops, or take it away.

    Raises:
        StateError: there is nothing to take away.
    """
    if not on:
        return _off(loader, name, here)
    batch = _one(loader, here)
    here.session.state(Loops).asked = True
    here.session.stepper.rearm()
    watch = watch_of(here.session)
    if watch is None:
        raise StateError("loaders cannot be watched here.")
    if watch.replacement is not None:
        watch.replacement.off()
    watch.replacement = swap = Swap(watch, loader, batch)
    notes = [REPLACED, "breakpoints on batches do not hold meanwhile."]
    if swap.total is None:
        notes.append(
            "the loader does not say how many batches it has: an epoch does not end meanwhile."
        )
    return _compared(loader, name, here, swap, *notes)


def _off(loader: Any, name: str, here: Here) -> Synthetic:
    watch, swap = watch_of(here.session), _swap(here)
    if watch is None or swap is None:
        raise StateError("no loader is replaced.", "':synthetic on' puts memory in its place.")
    swap.off()
    watch.replacement = None
    again = (
        "the loader gives the program its batches again, from here on; "
        "':restart' runs it as if nothing had been."
    )
    return _compared(loader, name, here, swap, again)


def _swap(here: Here) -> Swap | None:
    """Return what replaces a loader now."""
    watch = watch_of(here.session)
    swap = watch.replacement if watch is not None else None
    return swap if isinstance(swap, Swap) else None


def _one(loader: Any, here: Here) -> Any:
    """Return one batch, made and pickled in a copy of the program.

    Raises:
        StateError: there is none.
    """
    with tempfile.NamedTemporaryFile() as carried:

        def made() -> None:
            with workers.running(loader_copy.copy_of(loader, 0)) as iterator:
                batch = workers.next_batch(iterator)
            if batch is workers.END:
                raise StateError("the loader has no batch.")
            Path(carried.name).write_bytes(pickle.dumps(batch))

        if isinstance(error := here.apart(made), model.Error):
            raise StateError(error.message, error.hint)
        return pickle.loads(carried.read())


def _paces(loader: Any, here: Here, swap: Swap | None) -> list[model.Pace | None]:
    """Return the program's own pace with the loader, and with memory."""
    watch, limit = watch_of(here.session), here.session.state(Gradients).limits.loader
    steps = [] if watch is None else [s for seen in watch.epochs_of(loader) for s in seen.steps()]
    mine = swap is not None and swap.loader() is loader
    return [
        pace_of(steps[-KEPT:], workers.capacity(loader), limit),
        pace_of(swap.steps, None, limit) if mine and swap is not None else None,
    ]


def _compared(loader: Any, name: str, here: Here, swap: Swap, *notes: str) -> Synthetic:
    real, memory = _paces(loader, here, swap)
    return Synthetic(
        loader=name,
        on=swap.on,
        workers=loader.num_workers,
        batch=_said(swap.batch),
        with_loader=real,
        with_memory=memory,
        verdict=_verdict(real, memory),
        notes=notes,
    )


def _said(batch: Any) -> str:
    made = [f"{part.shape} {part.dtype}" for part in parts.described(batch) if part.shape]
    return ", ".join(made[:4])


def _verdict(real: model.Pace | None, memory: model.Pace | None) -> str:
    """Say what the program's own steps tell."""
    if real is None:
        return (
            "how long your own steps take has not been seen: ':loader watch', let it run a few "
            "steps, then ':synthetic on' and a few more prove whether the loader holds it up."
        )
    if memory is None:
        return f"{real.verdict} ':synthetic on' proves it."
    took = f"{memory.step * 1e3:.3g} ms instead of {real.step * 1e3:.3g} ms"
    saved = 1 - memory.step / real.step if real.step else 0.0
    if saved < 0.05:
        return f"with a batch from memory a step takes {took}: the loader does not hold it up."
    return (
        f"with a batch from memory a step takes {took}: the loader holds the program up for "
        f"{saved:.0%} of its time."
    )


def measure(loader: Any, name: str, here: Here, seconds: float) -> Synthetic:
    """Measure a copy of the loader, and one batch from memory; Ctrl-C ends it."""
    swap = _swap(here)
    on = swap is not None and swap.loader() is loader
    real, memory = _paces(loader, here, swap)
    found: dict[str, Any] = {}
    with here.progress(f"{name} against memory", None) as telling:
        timed = tuning.timed(loader, loader.num_workers, seconds, telling, telling.at)
        found = {"real": timed.each, "real_batches": timed.batches, "batch": _said(timed.last)}
        if timed.last is not None and not telling.stopped:
            found |= _memory(timed.last, seconds / SHARE)
            tensors = [each for _, each in parts.leaves(timed.last)]
            found["nbytes"] = sum(int(getattr(each, "nbytes", 0)) for each in tensors)
    failed = timed.failed if found else ""
    return Synthetic(
        loader=name,
        workers=loader.num_workers,
        with_loader=real,
        with_memory=memory,
        on=on,
        stopped=telling.interrupted,
        verdict=f"it cannot be measured: {failed}." if failed else _verdict(real, memory),
        notes=(REPLACED if on else COPIED,),
        **found,
    )


class _Same(torch.utils.data.Dataset[Any]):
    """The same batch for every index."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __len__(self) -> int:
        return 1 << 40

    def __getitem__(self, index: int) -> Any:
        return self._batch


def _memory(batch: Any, seconds: float) -> dict[str, Any]:
    """Iterate over a loader that has the batch in memory."""
    loader: DataLoader[Any] = DataLoader(
        _Same(batch), batch_size=None, collate_fn=_itself, generator=torch.Generator()
    )
    begun, taken = now(), 0
    for _ in loader:
        taken += 1
        if now() - begun > seconds:
            break
    return {"memory": (now() - begun) / taken, "memory_batches": taken}


def _itself(batch: Any) -> Any:
    return batch


def with_device(told: Any, device: torch.device) -> Any:
    """Add what copying as many bytes to the device takes, which only the program itself can use."""
    record = protocol.unpacked(told, model.Record) if isinstance(told, model.Brought) else told
    if not isinstance(record, Synthetic) or not record.nbytes or device.type == "cpu":
        return record
    batch = torch.empty(record.nbytes, dtype=torch.uint8)
    devices.move("", device, batch, False)
    took = min(devices.move("", device, batch, False)[0].seconds for _ in range(COPIES))
    return structs.replace(record, to_device=took, device=str(device))
