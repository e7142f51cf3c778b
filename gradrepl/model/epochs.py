"""Epochs of a loader: what was visited, how long it takes, and how far something long is."""

from __future__ import annotations

import msgspec

from gradrepl.model.base import Record


class Progress(Record, frozen=True, kw_only=True):
    """How far something long is: told unasked, from half a second on, at most four times a second.

    A face draws it as one line that the next one, or the answer, replaces.
    """

    what: str
    """'tune loader', 'epoch of loader'."""
    done: int
    total: int | None = None
    """None where nobody knows."""
    unit: str = "batches"
    seconds: float = 0.0
    """Since it began."""
    more: str = ""
    """What is known so far: '2 workers, 340 samples/s'."""
    over: bool = False
    """The last of its kind: the answer follows."""
    stop: str = "Ctrl+C stops it."


class Visits(msgspec.Struct, frozen=True, kw_only=True):
    """How often indices of the dataset come."""

    samples: int
    """All visits, those of one index counted each time."""
    different: int
    """Indices that come at all."""
    repeated: int = 0
    """Indices that come more than once."""
    repeats: tuple[tuple[str, int], ...] = ()
    """(index, times) of those, the most frequent first, at most 16."""
    never: int | None = None
    """Indices of the dataset that do not come; None where its length is not known."""
    missing: tuple[str, ...] = ()
    """The first of those, at most 16."""


class Epoch(Record, frozen=True, kw_only=True):
    """One epoch of a loader: what of it the program has got, and what is left."""

    loader: str
    number: int | None = None
    """Among those that the program has begun while watched, from 0; None: not watched."""
    known: tuple[int, ...] = ()
    """The epochs that can be asked for."""
    batches: int = 0
    """That the program has got so far."""
    total: int | None = None
    samples: int = 0
    """In those batches."""
    left: int | None = None
    """Samples that are still to come; None where nobody knows."""
    length: int | None = None
    """Of the dataset."""
    ended: bool = False
    left_off: bool = False
    """The program has left its loop before the end."""
    so_far: Visits | None = None
    """Of the batches that the program has got; None where their indices are not known."""
    whole: Visits | None = None
    """Of the whole epoch, where the sampler can be asked for it."""
    labels: tuple[tuple[str, int], ...] = ()
    """How often each label came so far, the most frequent first, at most 32."""
    labels_of: int = 0
    """Samples whose labels were read: those of the first visits, within a time."""
    how: str = ""
    """Where the indices come from."""
    notes: tuple[str, ...] = ()


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How the program gets on with a loader, as seen at the batches it got; seconds, means."""

    batches: int
    """That were measured."""
    step: float
    """From one batch to the next."""
    wait: float
    """Of which waiting for the loader."""
    ready: float | None = None
    """Batches that lay ready when the program asked for one; None without workers."""
    room: int | None = None
    """Batches that may lie ready: workers times prefetch_factor."""
    verdict: str = ""
    """In a sentence: 'loader-bound: 71% of the step is waiting for data.'"""
