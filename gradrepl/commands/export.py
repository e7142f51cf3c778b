"""The command that writes files: ``:export``."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated, Any, NamedTuple

from gradrepl import export as door
from gradrepl import model, plugins, protocol
from gradrepl.commands.registry import GONE, WAITING, Argument, Press, command
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import GradreplError, LinkError, StateError, UsageError
from gradrepl.export import Exporter, files
from gradrepl.export.files import Rows, check, written

PART = 2_000
"""Rows in one answer of the debuggee's."""
SLOW = 0.5
"""Seconds after which it is told how far it is, and between two tellings."""

What = Annotated[str, Argument("[KIND] FILE [EXPR]", complete="export", rest=True)]


KEY = Press("x", "Export the graph, a pass, times, the screen to a file", begins=True)


@command("export", group="Session", states=(*WAITING, GONE), key=KEY)
async def export(talk: Talk, what: What = "") -> Answer:
    """Write FILE: a graph, a pass, ops, times or the screen; its ending says which kind of file.

    ``export net.svg loss`` draws the graph of loss; without EXPR that of this backward, or of the
    last recorded one. KIND says what to write where the ending does not: ``export pass run.csv``,
    ``export ops ops.json``, ``export time trace.json``, ``export screen now.svg``, ``export
    mermaid graph.md``. ``export! ...`` writes over a file that is there. ``pass`` and ``time``
    are of what is recorded: ``record on``. Alone: what can be written.
    """
    if not what.lstrip("! "):
        rows = (
            model.ExporterInfo(name=e.name, of=e.of, suffix=e.suffixes[0], help=e.help)
            for e in door.load()
        )
        return model.Exporters(rows=tuple(rows))
    if what.strip() in ("on", "off"):
        raise UsageError("':export' writes a file.", f"Write: record {what.strip()}")
    wanted = read(what)
    chosen = door.choose(list(wanted.kinds), wanted.path)
    if wanted.expression and chosen.of != "graph":
        raise UsageError(
            f"'{wanted.expression}' stands behind the file, and only a graph has an expression.",
            f"Write: export {chosen.of} {wanted.path}",
        )
    return await _Export(talk, chosen, wanted).run()


def _on(text: str) -> bool:
    if text not in ("on", "off"):
        raise UsageError(f"'{text}' is neither on nor off.")
    return text == "on"


Switch = Annotated[bool, Argument("on|off", read=_on)]


@command("record", group="Session")
async def record(talk: Talk, on: Switch) -> Answer:
    """Record ops, and of the last 16 backwards each node's norm and time, for ':export'."""
    return await talk.ask(protocol.RecordPasses(off=not on))


class Wanted(NamedTuple):
    """What was typed, taken apart."""

    kinds: tuple[str, ...]
    path: str
    expression: str
    overwrite: bool


_WORD = re.compile(r"""\s*("[^"]*"|'[^']*'|\S+)""")


def read(text: str) -> Wanted:
    """Take ``[!] [KIND...] FILE [EXPR]`` apart; a FILE with blanks in it stands in quotes.

    Raises:
        UsageError: there is no FILE.
    """
    overwrite = text.lstrip().startswith("!")
    rest = text.lstrip().removeprefix("!")
    known, kinds = set(door.words()), []
    while word := _WORD.match(rest):
        if word[1] not in known:
            break
        kinds.append(word[1])
        rest = rest[word.end() :]
    if word is None:
        kind = " ".join(kinds)
        raise UsageError(
            f"'export {kind}' needs a FILE.".replace(" '", "'"), f"Write: export {kind} FILE"
        )
    path = word[1][1:-1] if word[1][0] in "\"'" else word[1]
    return Wanted(tuple(kinds), path, rest[word.end() :].strip(), overwrite)


class _Export:
    """One file being written: fetch the rows, then write them in a thread."""

    def __init__(self, talk: Talk, chosen: Exporter, wanted: Wanted) -> None:
        self.talk, self.chosen, self.wanted = talk, chosen, wanted
        self.started = self._told = time.monotonic()
        self.rows: list[Rows[Any]] = []

    async def run(self) -> model.Record:
        """Do it; return the record of what was written, or the debuggee's refusal."""
        check(self.wanted.path, self.wanted.overwrite)  # before anything takes time
        try:
            record = await self._record()
            if isinstance(record, model.Error):
                return record
            note = await self._write(record)
        finally:
            for each in self.rows:
                each.close()
        path = check(self.wanted.path, True)
        return model.Exported(
            path=self.wanted.path,
            kind=self.chosen.name,
            of=self._of(record),
            rows=sum(map(len, self.rows)),
            nbytes=path.stat().st_size,
            seconds=time.monotonic() - self.started,
            note=note or "",
        )

    def _of(self, record: Any) -> str:
        """Say what was written."""
        of = self.chosen.of
        if of in ("graph", "pass"):
            return f"the graph of {record.title}" if of == "graph" else str(record.title)
        return {"ops": "the recorded ops", "time": "the times of ops and nodes"}.get(
            of, f"the {of}"
        )

    async def _record(self) -> Any:
        """Return what the exporter is given, or the debuggee's error."""
        of = self.chosen.of
        if of == "screen":
            return _screen(self.talk)
        if of == "time":
            ops, nodes = await self._fetch("ops"), await self._fetch("times")
            if isinstance(ops, model.Error) or isinstance(nodes, model.Error):
                return ops if isinstance(ops, model.Error) else nodes
            return files.Time(ops[1], nodes[1])
        fetched = await self._fetch(of, self.wanted.expression)
        if isinstance(fetched, model.Error):
            return fetched
        return files.Ops(*fetched) if of == "ops" else files.Graph(*fetched)

    async def _fetch(
        self, what: str, expression: str = ""
    ) -> tuple[model.Taken, Rows[Any]] | model.Error:
        """Have something taken, and fetch its rows."""
        ask = self.talk.ask
        taken = await ask(protocol.Take(what=what, expression=expression))
        if not isinstance(taken, model.Taken):
            return taken if isinstance(taken, model.Error) else _strange(taken)
        if self.chosen.most and not taken.recorded and taken.total > self.chosen.most:
            raise door.too_many(taken.total, self.chosen.name, recorded=False)
        rows: Rows[Any] = Rows(model.OpRow if what == "ops" else model.NodeRow)
        self.rows.append(rows)
        while len(rows) < taken.total:
            request = protocol.TakeRows(serial=taken.serial, first=len(rows), count=PART)
            part = await ask(request)
            if not isinstance(part, (model.Nodes, model.Ops)) or not part.rows:
                return part if isinstance(part, model.Error) else _strange(part)
            rows.add(part.rows)
            self._tell("reading for", len(rows), taken.total)
        return taken, rows

    async def _write(self, record: Any) -> str | None:
        """Run the exporter in a thread, so that whoever looks at a screen is not kept waiting."""
        writing = asyncio.create_task(asyncio.to_thread(self._written, record))
        while not (await asyncio.wait({writing}, timeout=SLOW))[0]:
            last = self.rows[-1] if self.rows else ()
            self._tell("writing", getattr(last, "seen", 0), len(last))
        try:
            return await writing
        except StateError as error:
            if error.__cause__ is not None and self.chosen.plugin:
                where = f"exporter '{self.chosen.name}'"
                plugins.here("client").disable(self.chosen.plugin, error.__cause__, where)
            raise

    def _written(self, record: Any) -> str | None:
        with written(self.wanted.path, self.wanted.overwrite) as file:
            try:
                return self.chosen.function(record, file)
            except (GradreplError, OSError):
                raise
            except Exception as error:  # an exporter may be a plugin's
                raise StateError(
                    f"the exporter '{self.chosen.name}' failed: {type(error).__name__}: {error}.",
                    "Nothing was written.",
                ) from error

    def _tell(self, doing: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= SLOW:
            self._told = now
            self.talk.tell(
                model.Progress(
                    what=f"{doing} {self.wanted.path}",
                    done=done,
                    total=total or None,
                    unit="rows",
                    seconds=now - self.started,
                    stop="",
                )
            )


def _screen(talk: Talk) -> Any:
    """Return the screen.

    Raises:
        StateError: this client has none.
    """
    if talk.on_shot is None:
        raise StateError(
            "there is no screen here: this is the line prompt.",
            "':export screen FILE' works in the screen, without --repl.",
        )
    return talk.on_shot()


def _strange(record: model.Record | None) -> model.Error:
    return LinkError(f"the program has answered with {type(record).__name__}.").record()
