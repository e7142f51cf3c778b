"""Datasets, loaders, batches, samples, epochs: what they are, and what is odd about them."""

from __future__ import annotations

import msgspec

from gradrepl.model.answers import Finding
from gradrepl.model.base import Record, Site
from gradrepl.model.health import Timing
from gradrepl.model.tensors import Stats


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One option of a loader."""

    name: str
    value: str
    without_effect: str = ""
    """Why it has none here, or ''."""


class WorkerState(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process of a loader that is being iterated."""

    id: int
    pid: int
    alive: bool
    exit: str = ""
    """How it ended: 'killed by SIGKILL', 'exited with code 3'."""
    batch: int | None = None
    """The batch that it has to deliver next; None where it waits for work."""
    indices: tuple[str, ...] = ()
    """The first dataset indices of that batch, as far as they are known."""
    waiting: int = 0
    """Batches that it has still to deliver."""
    seconds: float | None = None
    """How long it has been at that batch; None where nobody watched."""
    memory: int | None = None
    """Bytes of its resident memory, shared pages included."""
    seed: int | None = None
    busy: float | None = None
    """Share of the time in which it computed, 1.0 for one core; None where nobody can tell."""
    busy_over: float | None = None
    """Seconds that this is the mean of: while batches were fetched last, or since it began."""


class SeenBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that the program's own loop has got."""

    number: int
    epoch: int
    indices: tuple[str, ...] = ()
    """At most the first 8."""
    size: int = 0
    worker: int | None = None
    wait: float = 0.0
    """Seconds that the program waited for it."""
    ready: int | None = None
    """Batches that lay ready when the program asked for it; None without workers."""


class Loader(Record, frozen=True, kw_only=True):
    """A DataLoader: its settings, and how far the program is with it."""

    name: str
    kind: str = "DataLoader"
    dataset: str = ""
    """Class of the dataset; of a Subset with what it is a part of."""
    dataset_kind: str = "map"
    """'map' or 'iterable'."""
    length: int | None = None
    """Samples of the dataset; None where it does not say."""
    batches: int | None = None
    batch_size: int | None = None
    drop_last: bool = False
    sampler: str = ""
    order: str = ""
    """'as they lie', 'reshuffled every epoch', 'by Balanced (yours)'..."""
    generator: str = ""
    """What the order is drawn from, and its seed."""
    workers: int = 0
    start_method: str = ""
    """'fork', 'spawn', 'forkserver'; empty without workers."""
    settings: tuple[Setting, ...] = ()
    findings: tuple[Finding, ...] = ()
    watched: bool = False
    """Are loops over loaders watched?"""
    epoch: int | None = None
    """Epochs that the program has begun while watched, from 0; None where none was seen."""
    batch: int | None = None
    """The batch that the program has got last; None where none was seen."""
    iterating: bool = False
    """Is the program in the middle of an epoch?"""
    processes: tuple[WorkerState, ...] = ()
    seen: tuple[SeenBatch, ...] = ()
    """The last batches that the program got, at most 32, oldest first."""
    ready: int | None = None
    """Batches that lie ready now, fetched and not handed over."""
    pace: Pace | None = None
    """How long the program's steps take, and how long of that it waits; None where not seen."""
    timing: Timing | None = None
    """The parts of a step, where gradients are watched."""
    synthetic: bool = False
    """The program's loops over it get one batch from memory (``:synthetic on``)."""
    notes: tuple[str, ...] = ()
    shm_total: int | None = None
    """Bytes of /dev/shm, through which workers hand over batches."""
    shm_free: int | None = None
    site: Site | None = None
    """Where it is made, as far as the source tells."""
    others: tuple[str, ...] = ()
    """Names of other loaders in scope."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a sample: a tensor, a number, a text."""

    key: str = ""
    """'0', 'image', 'meta.size'; empty where the sample is one thing."""
    kind: str = ""
    """'tensor', 'array', 'list', 'int', 'float', 'bool', 'str', 'None', or a class's name."""
    shape: tuple[int, ...] | None = None
    """None for what has none; of a text or list its length."""
    dtype: str = ""
    stats: Stats | None = None
    text: str = ""
    """The value of a number, the (begin of a) text."""
    values: tuple[float, ...] = ()
    """Of a sequence of numbers its values, at most 256 (evenly spaced); in a Sample only."""
    lines: tuple[tuple[int, ...], ...] = ()
    """Of what looks like an image: brightness 0..255 by row, at most 32 x 32; in a Sample only."""


class SampleRow(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of a batch."""

    place: int
    """In the batch, from 0."""
    index: str = ""
    """The dataset index (a number for most); empty for an iterable dataset."""
    worker: int | None = None
    """The worker that the program's loop has (or would have) it from."""
    seconds: float | None = None
    """What ``dataset[index]`` took here, in the main process."""
    shape: tuple[int, ...] | None = None
    """Of its largest part; so dtype, min, max."""
    dtype: str = ""
    min: float | None = None
    max: float | None = None
    label: str = ""
    parts: tuple[Part, ...] = ()
    odd: tuple[str, ...] = ()
    """'other shape', 'other dtype', 'nan', 'inf', 'constant', 'slow', 'duplicate', 'other keys',
    'other range', 'raises'."""
    error: str = ""
    """What ``dataset[index]`` raised."""


class Odd(msgspec.Struct, frozen=True, kw_only=True):
    """What is odd about one sample."""

    place: int
    index: str
    key: str
    what: str
    """A word of ``SampleRow.odd``."""
    sentence: str


class Batch(Record, frozen=True, kw_only=True):
    """One minibatch, sample by sample; rows with something odd come first."""

    number: int
    """From 0."""
    total: int | None = None
    loader: str = ""
    epoch: int | None = None
    """The program's epoch that it belongs to, from 0; None: the one that would begin now."""
    indices: tuple[str, ...] = ()
    """Dataset indices in the batch's own order, at most 4096."""
    size: int = 0
    rows: tuple[SampleRow, ...] = ()
    """At most 512."""
    odd: tuple[Odd, ...] = ()
    """At most 64."""
    collated: tuple[Part, ...] = ()
    """What ``collate_fn`` made of it, by key."""
    problem: str = ""
    """Why the samples cannot be made into a batch: who has which shape, who is the odd one."""
    error: str = ""
    """What ``collate_fn`` raised."""
    labels: tuple[tuple[str, int], ...] = ()
    """How often each label is in the batch, the most frequent first, at most 32."""
    worker: int | None = None
    seconds: float = 0.0
    """What fetching took here."""
    wait: float | None = None
    """What the program's loop waited for it, where that was seen."""
    how: str = ""
    """Where the indices come from: 'rebuilt from the sampler', 'seen'..."""
    notes: tuple[str, ...] = ()
    """What cannot be the same as in the program's loop, and why."""


class TransformStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a pipeline of transforms."""

    name: str
    where: str = ""
    """The attribute that holds it: 'transform.transforms[1]'."""
    seconds: float = 0.0
    out: Part = Part()
    nans: int = 0
    """NaN in what it made."""
    first_nan: bool = False
    """It is the first whose result has a NaN where its input had none."""


class Sample(Record, frozen=True, kw_only=True):
    """One sample of a dataset."""

    index: str
    dataset: str = ""
    loader: str = ""
    length: int | None = None
    seconds: float = 0.0
    label: str = ""
    parts: tuple[Part, ...] = ()
    steps: tuple[TransformStep, ...] = ()
    """The transforms that it went through, in order."""
    odd: tuple[str, ...] = ()
    """Sentences: 'part 0 has 3 NaN'."""
    random: tuple[str, ...] = ()
    """The generators that making it drew from: 'torch', 'numpy', 'random', 'dataset.rng'."""
    worker: int | None = None
    """The worker whose seed was used; None: the generators of this process."""
    seed: int | None = None
    notes: tuple[str, ...] = ()
    site: Site | None = None
    """Where the dataset's ``__getitem__`` is."""


class LoaderCheck(Record, frozen=True, kw_only=True):
    """What is wrong with a loader without a message: findings, each with evidence."""

    name: str
    findings: tuple[Finding, ...] = ()
    looked_at: tuple[str, ...] = ()
    """What was looked at, and how much of it: '200 of 1797 samples'."""
    seconds: float = 0.0


class LoaderWatch(Record, frozen=True, kw_only=True):
    """Are the loops of the program over its loaders watched?"""

    on: bool
    breakpoints: bool = False
    """They are (also) because a breakpoint waits for a batch."""
    epochs: int = 0
    batches: int = 0


class DeviceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One device."""

    name: str
    """'cpu', 'cuda:0'."""
    what: str = ""
    """'2 cores, 2 threads in torch', 'NVIDIA H100'."""
    available: bool = True
    total: int | None = None
    """Bytes of its memory."""
    free: int | None = None
    why: str = ""
    """Why it is not available."""


class Devices(Record, frozen=True, kw_only=True):
    """The devices there are, and the one that ``:to`` takes when none is said."""

    rows: tuple[DeviceInfo, ...]
    chosen: str = "cpu"


class Moved(Record, frozen=True, kw_only=True):
    """A batch or module that was moved to a device."""

    name: str
    device: str
    tensors: int = 0
    moved: int = 0
    """Tensors that were somewhere else."""
    nbytes: int = 0
    """Bytes that were copied."""
    seconds: float = 0.0
    pinned: int = 0
    """Copied tensors whose memory was pinned."""
    notes: tuple[str, ...] = ()


# -- epochs ----------------------------------------------------------------------------------------


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
