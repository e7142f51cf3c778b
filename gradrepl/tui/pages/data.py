"""The Data screen: a batch sample by sample, its loader, and where the time of a step goes.

Opening it asks for the loader alone: its settings, how far the program is. Only keys and words
fetch samples, which runs the dataset's code.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal

from gradrepl import model, protocol
from gradrepl.draw.numbers import count, seconds
from gradrepl.errors import LinkError
from gradrepl.tui.entries import Ask
from gradrepl.tui.pages.page import Page
from gradrepl.tui.panels.batch import BatchList, SamplePane
from gradrepl.tui.panels.loader import LoaderPane, TimePane

REMEMBERED = 64
"""Samples that are kept as they were looked at, until the next batch."""


class DataPage(Page):
    """Batches, samples, the loader, and time."""

    VIEW: ClassVar[str] = "data"

    def __init__(self) -> None:
        super().__init__()
        self.list = self.samples = BatchList("batch")
        self.details = self.near = SamplePane("sample")
        self.loader = LoaderPane("loader")
        self.times = TimePane("times")
        self._looked: dict[str, model.Sample] = {}
        self._stood: tuple[str, int | None, int | None] | None = None
        """Where the program was with its loader when a batch was looked at last."""
        self._wanted = ""
        """Index of the sample that Enter has asked for."""

    def compose(self) -> ComposeResult:
        with Horizontal(id="data-top"):
            yield self.samples
            yield self.near
            yield self.loader
        yield self.times

    def on_mount(self) -> None:
        """Name the panels that have nothing to show so far."""
        for panel in (self.samples, self.near, self.loader, self.times):
            panel.caption(panel.NAME)

    async def renew(self, ask: Ask) -> None:
        """Ask how the loader stands, or why there is none; no sample is fetched."""
        talk, entries = self.host.talk, self.host.entries
        generation = entries.generation
        try:
            answer = await talk.ask(protocol.AskLoader(look=True)) if talk.prompt else None
        except LinkError:
            answer = None
        if talk.prompt is not None and generation == entries.generation:
            loader = answer if isinstance(answer, model.Loader) else None
            self.show_loader(loader, answer.message if isinstance(answer, model.Error) else "")

    async def select(self, ask: Ask) -> None:
        row = self.samples.selected
        if row is not None:
            self.near.show(self._looked.get(row.index, row))

    def show_loader(self, loader: model.Loader | None, reason: str = "") -> None:
        """Show a loader, or why there is none."""
        self.samples.of(loader, reason)
        if self.samples.record is None:
            self._looked.clear()
            self.near.show(None)
        self.loader.looked_at = self.samples.record
        self.loader.show(loader)
        self.times.progress = None  # whatever it was, it has been answered
        self.times.show(loader)

    def receive(self, record: model.Record) -> str | None:
        """Take records about data; what a panel shows is one line in the transcript."""
        if not self.is_attached:
            return None
        match record:
            case model.Loader():
                self.show_loader(record)
                return f"{record.name}: {record.dataset}, {record.order}"
            case model.Batch():
                return self._batch(record)
            case model.Sample():
                return self._sample(record)
            case model.LoaderCheck() | model.Epoch() | model.Record(PANE="classes"):
                return self._counted(record)
            case model.Progress():
                return self._progress(record)
            case model.Record(PANE="time"):
                return record.verdict if self.times.keep(record) else None  # type: ignore[attr-defined]
        return None

    def _batch(self, batch: model.Batch) -> str:
        self._looked.clear()
        self.samples.show(batch)
        self.loader.looked_at = batch
        self.loader.resized()
        odd = sum(bool(row.odd or row.error) for row in batch.rows)
        marked = f", {odd} odd" if odd else ""
        took = seconds(batch.seconds)
        samples = count(batch.size, "sample")
        return f"batch {batch.number}: {samples}{marked}, fetched here in {took}"

    def _sample(self, sample: model.Sample) -> str | None:
        while len(self._looked) >= REMEMBERED:
            del self._looked[next(iter(self._looked))]
        self._looked[sample.index] = sample
        self.near.show(sample)
        open_here = self._wanted == sample.index and self.is_open
        if open_here and not self.near.visible_now:
            self.stage.maximise(self.near)
        elif not self.near.visible_now:
            return None
        self._wanted = ""
        odd = f": {sample.odd[0]}" if sample.odd else ""
        return f"{sample.dataset}[{sample.index}], made in {seconds(sample.seconds)}{odd}"

    def _counted(self, record: model.Record) -> str | None:
        if isinstance(record, model.LoaderCheck):
            self.loader.check = record
        else:
            self.loader.tally(record)
        self.loader.resized()
        return "" if self.loader.balance and isinstance(record, model.Epoch) else None

    def _progress(self, record: model.Progress) -> str | None:
        self.times.progress = None if record.over else record
        self.times.resized()
        return "" if self.times.visible_now else None

    def action_open_here(self) -> None:
        """Look at the selected sample from near: it is made here, once."""
        row = self.samples.selected
        if row is None:
            self.host.say("There is no sample here: n fetches a batch.")
        elif row.index in self._looked or not row.index:
            if not self.near.visible_now:
                self.stage.maximise(self.near)
        else:
            self._wanted = row.index
            self.host.action_send(f"sample {row.index}")

    def action_fetch_here(self) -> None:
        """Make the selected sample here, stopped at its first op."""
        row = self.samples.selected
        if row is None or not row.index:
            self.host.say("Select a sample that has an index: n fetches a batch.")
        else:
            self.host.action_send(f"fetch {row.index}")

    def action_next(self) -> None:
        """Fetch the batch that the program has got last; the next one, if that is shown."""
        loader = self.loader.record
        stands = None if loader is None else (loader.name, loader.epoch, loader.batch)
        moved = stands is not None and stands[2] is not None and stands != self._stood
        self._stood = stands
        self.host.action_send(f"batch {stands[2]}" if stands and moved else "batch")

    def action_again(self) -> None:
        """Fetch the same batch once more."""
        batch = self.samples.record
        self.host.action_send("batch" if batch is None else f"batch {batch.number}")

    def action_classes(self) -> None:
        """Show how often each class came, larger; and once more, not."""
        if self.loader.balance:
            self.stage.restore()
            self.loader.resized()
            self.samples.focus()
            return
        self.stage.maximise(self.loader)
        self.loader.balance = True
        self.loader.resized()
        self.host.action_send("epoch")

    def action_another(self) -> None:
        """Mean another loader."""
        loader = self.loader.record
        if loader is not None and loader.others:
            self.host.action_send(f"loader {loader.others[0]}")
        else:
            self.stage.begin_entry(":loader ")

    def condition(self) -> str:
        """Return 'index 9921' for the selected sample."""
        row = self.samples.selected
        return f"index {row.index}" if row is not None and row.index else ""
