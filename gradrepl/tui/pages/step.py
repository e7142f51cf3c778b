"""What the Forward and the Backward screen share: a list of steps, the details, the source."""

from __future__ import annotations

import asyncio
import linecache
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

import gradrepl
from gradrepl import draw, model
from gradrepl.draw import ink, looking, running
from gradrepl.draw.ink import Line, span
from gradrepl.tui.entries import Ask
from gradrepl.tui.literal import target
from gradrepl.tui.pages.page import Page
from gradrepl.tui.panels.base import Drawing, Panel
from gradrepl.tui.panels.rows import RowList

if TYPE_CHECKING:  # loaded with the conversation, which every request is for
    import gradrepl.protocol


class Inspector(Drawing):
    """What is selected on the left, from near. Of an op: what went in, what came out, the node
    that it made. Of a node: its rule, the gradients that arrive (grad_in) and leave (grad_out,
    and where to), and what the forward saved for it; ! marks a saved value that was changed in
    place since, and nan or inf.
    """

    NAME: ClassVar[str] = "Inspect"
    record: model.Record | None = None
    when = "after"
    note = ""

    def show(self, record: model.Record | None, when: str = "after", note: str = "") -> None:
        """Show ``record``; ``note`` says how it is not the place of the stop."""
        changed = record is not self.record
        self.when, self.note = when, note
        super().show(record)
        if changed:
            self.scroll_to(0, 0, animate=False)

    def captions(self) -> tuple[str, str]:
        title, end = self._titles()
        return title, self.note or end

    def _titles(self) -> tuple[str, str]:
        match self.record:
            case model.Node(id=id, name="AccumulateGrad", label=label) if label:
                return f"#{id} {label}", "AccumulateGrad"
            case model.Node(id=id, name=name, seq=seq, label=label):
                known = (label, f"seq {seq}" if seq and self.room >= 60 else "")
                return f"#{id} {name}", " ".join(filter(None, known))
            case model.Op(id=id, name=name):
                return f"%{id} {name}", "next" if self.when == "before" else ""
            case model.TensorInfo(name=name):
                return name or "Tensor", ""
        return "Raised" if isinstance(self.record, model.Stop) else "Inspect", ""

    def drawn(self) -> list[Line]:
        """Return what is known of it; one line where there is no room for more."""
        record, look = self.record, self.look
        if self.size.height == 1:
            return [self._one_line()]
        match record:
            case model.Stop():
                return running.exception(record)
            case model.Op() | model.Node():
                ahead: Line = [("about to run", "here")]
                waiting = isinstance(record, model.Op) and self.when == "before"
                return [*([ahead] if waiting else []), *draw.lines(record, look)[1:]]
            case model.TensorInfo():
                return draw.lines(record, look)
        return []

    def _one_line(self) -> Line:
        match self.record:
            case model.Op() | model.Node():
                first = [(*line, ("  ", "")) for line in draw.lines(self.record)[:3]]
                return ink.fit([part for line in first for part in line], self.room)
            case model.Stop():
                return [span(self.record.exception, "bad")]
        return []


def around(site: model.Site, context: int) -> model.Source | None:
    """Return the lines around ``site`` from its file, or None when there is no such file."""
    linecache.checkcache(site.file)
    lines = linecache.getlines(site.file)
    if not 0 < site.line <= len(lines):
        return None
    first = max(1, site.line - context)
    rows = tuple(
        model.SourceLine(number, text.rstrip("\n"), here=number == site.line)
        for number, text in enumerate(lines[first - 1 : site.line + context], first)
    )
    return model.Source(file=site.file, function=site.function, lines=rows)


class SourcePane(Drawing):
    """The lines of your file around where the program stands, or where the selected op or node
    was made. ▶ is the line here, ◆ a line with a breakpoint. At the right end stands what the
    line made.
    """

    NAME: ClassVar[str] = "Source"
    record: model.Source | None = None
    note = ""

    def show(self, record: model.Source | None, note: str = "") -> None:
        """Show ``record`` with its line in view."""
        self.note = note
        super().show(record)

    def captions(self) -> tuple[str, str]:
        if self.record is None:
            return self.NAME, self.note
        return self.record.file.rsplit("/", 1)[-1] or "Source", self.note or self.record.function

    def drawn(self) -> list[Line]:
        return looking.source(self.record, self.room) if self.record is not None else []

    def resized(self) -> None:
        """Draw for this width, the line of the stop in the middle."""
        super().resized()
        if self.record is not None:
            here = next((i for i, line in enumerate(self.record.lines) if line.here), 0)
            self.to_line(max(0, here - max(1, self.size.height) // 2))

    def leave(self) -> None:
        """Keep the text, without the mark: nothing stands there any more."""
        if self.record is not None and self.line_number():
            lines = tuple(replace(line, here=False) for line in self.record.lines)
            self.record = replace(self.record, lines=lines)
            top = round(self.scroll_offset.y)
            self.write(self.drawn())
            self.to_line(top)

    def line_number(self) -> int:
        """Return the number of the line of the stop, or 0."""
        lines = self.record.lines if self.record else ()
        return next((line.line for line in lines if line.here), 0)


class StepPage(Page):
    """The steps of a phase, and everything about the selected one."""

    left: Panel | None = None
    """What stands left of the list."""
    below: Panel | None = None
    """What stands below the details."""
    right: Panel | None = None
    """What stands right of the source."""

    def __init__(self, steps: RowList[Any]) -> None:
        super().__init__()
        self.list = self.steps = steps
        steps.add_class("steps")
        steps.fetch = self.window
        self.details = self.inspector = Inspector("inspect")
        self.source = SourcePane("source")
        self._stop: model.Stop | None = None
        """Where the program stood when this was shown last."""
        self._process = 0

    def compose(self) -> ComposeResult:
        with Horizontal(id="top"):
            yield from filter(None, (self.left, self.steps))
            with Vertical(id="right"):
                yield from filter(None, (self.inspector, self.below))
        with Horizontal(id="bottom"):
            yield from filter(None, (self.source, self.right))

    def on_mount(self) -> None:
        """Name the panels that have nothing to show so far."""
        for panel in (self.steps, self.inspector, self.source):
            panel.caption(panel.NAME)

    async def renew(self, ask: Ask) -> None:
        talk = self.host.talk
        stop, moved = talk.stop, talk.stop is not self._stop
        self._stop = stop
        self.meet_process()
        if stop is not None and moved:
            shown = stop if stop.phase == "exception" else stop.node or stop.op
            if shown is not None:
                self.inspector.show(shown, stop.when)
        await asyncio.gather(*self.jobs(ask, moved), self._source(ask))

    @property
    def raised(self) -> bool:
        """Do we stand at an exception?"""
        return self._stop is not None and self._stop.phase == "exception"

    def jobs(self, ask: Ask, moved: bool) -> Iterable[Awaitable[None]]:
        """Return what brings the panels up to date, the list first."""
        raise NotImplementedError

    async def window(self, first: int, count: int) -> model.Ops | model.Nodes | None:
        """Return some rows of the list."""
        raise NotImplementedError

    async def detail(self, ask: Ask, row: Any) -> model.Record | None:
        """Return everything about the step of ``row``."""
        raise NotImplementedError

    def meet_process(self) -> None:
        """Forget what was seen, when this is another process."""
        if self._process != self.host.talk.generation:
            self._process = self.host.talk.generation
            self.inspector.show(None)
            self.source.show(None)
            self.forget()

    def forget(self) -> None:
        """Forget what was seen of another process."""

    async def _source(self, ask: Ask) -> None:
        panel, stop = self.source, self._stop
        if stop is None:
            panel.leave()
        if not panel.visible_now or stop is None:
            return
        context = max(5, panel.size.height)
        site = stop.node.site if stop.node is not None else None
        made = around(site, context) if site else None
        if made is not None:
            panel.show(made, "the line that made this node")
            return
        answer = await ask(gradrepl.protocol.Listing(context=context))
        if isinstance(answer, model.Source):
            panel.show(answer)

    async def select(self, ask: Ask) -> None:
        row, stop = self.selected, self._stop
        if row is None:
            return
        if stop is not None and not self.raised:
            here = stop.node if isinstance(row, model.NodeRow) else stop.op
            if here is not None and here.id == row.id:
                self.inspector.show(here, stop.when)
                return
        answer = await self.detail(ask, row)
        if answer is not None:
            self.inspector.show(answer, note="selected" if stop else "")

    @property
    def looking(self) -> tuple[int, int] | None:
        steps = self.steps
        away = steps.here >= 0 and steps.cursor not in (-1, steps.here)
        return (steps.cursor + 1, steps.total) if away else None

    @property
    def site(self) -> model.Site | None:
        """The line of what is inspected."""
        return getattr(self.inspector.record, "site", None)

    def mode(self, state: str) -> str:
        """Return the state where that says more than the page, and whether it looks away."""
        if state in ("idle", "exception"):
            return state
        return "away" if self.looking else self.VIEW

    def gives_way(self, typing: bool) -> bool:
        return True

    def condition(self) -> str:
        """Return the line of the source, when that has the focus; else what the row is."""
        source = self.source
        if source.has_focus and source.record and source.line_number():
            return f"{source.record.file}:{source.line_number()}"
        return "" if self.selected is None else self.condition_of(self.selected)

    def condition_of(self, row: Any) -> str:
        """Return the breakpoint condition that ``row`` stands for."""
        raise NotImplementedError

    def name_here(self) -> str:
        """Return 'out' where the op here has just made it."""
        return "out" if target(self.host.talk.stop).startswith("out.") else ""

    def action_live(self) -> None:
        """Look at where we stand; at an exception, at that."""
        stop = self.host.talk.stop
        if stop is not None and stop.phase == "exception":
            self.steps.stand(self.steps.total - 1, quietly=True)
            self.inspector.show(stop)
        else:
            super().action_live()
