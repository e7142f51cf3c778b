"""The plugins of this process: which are wanted, what they see of a run, and what they answer.

None is loaded before something asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from gradrepl import __version__, model
from gradrepl import conditions as c
from gradrepl import protocol as p
from gradrepl.engine.check.wanted import Check
from gradrepl.engine.code import frames
from gradrepl.engine.health.wanted import Gradients
from gradrepl.engine.observers import Observer
from gradrepl.engine.session import Answer, Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import PluginError, UsageError
from gradrepl.hookspecs import Here

if TYPE_CHECKING:
    from gradrepl.plugins import Plugins

OWN = "gradrepl"
"""The name of what comes from us through the same doors."""
MOST_FACTS = 32
"""Facts of one tensor."""


def use(session: Session, files: tuple[str, ...], blocked: tuple[str, ...]) -> Plugins:
    """Load the plugins of this process, and say in the session which of them fails."""
    from gradrepl import plugins

    loaded = plugins.here("program")
    loaded.tell = lambda sentence: session.tell(PluginError(sentence).record())
    if OWN not in loaded.rows:
        from gradrepl.engine.explain import findings

        loaded.register(findings, OWN, OWN, __version__)
    loaded.load(files, blocked)
    return loaded


class Plugged(Observer):
    """Calls the plugins' observers, under the mask that keeps them from stopping anything."""

    built_in = True

    def __init__(self, session: Session) -> None:
        self.session = session
        self._wanted = p.UsePlugins()
        self._plugins: Plugins | None = None
        self._kinds: dict[str, tuple[str, type[c.Kind]]] = {}
        """Kinds of breakpoint by word, with the plugin that brings each."""
        self._read: dict[tuple[str, str], c.Kind] = {}
        """Breakpoints of these kinds, by word and text."""

    def want(self, wanted: p.UsePlugins) -> None:
        """Know which plugins to load, and whether any of them looks on; loads none."""
        self._wanted = wanted
        stepper = self.session.stepper
        stepper.armed.always = (c.Observed(),) if "event" in wanted.hooks else ()
        stepper.rearm()

    @property
    def plugins(self) -> Plugins:
        """The plugins, loaded when this is first read."""
        if self._plugins is None:
            with self.session.gate.masked():  # nothing stops in a plugin's own lines
                self._plugins = use(self.session, self._wanted.files, self._wanted.blocked)
                for name, kind in self._plugins.flat("gradrepl_conditions"):
                    for word in (kind.word, *kind.also):
                        self._kinds.setdefault(word, (name, kind))
            script = frames.absolute(self.session.script)  # may be a plugin, too: write_a_plugin.py
            frames.plugins.update(set(self._plugins.files()) - {script})
            frames.forget_kinds()
        return self._plugins

    def wants(self, what: str) -> bool:
        """Does a plugin look on at this: 'event', 'stop', 'pass' or 'batch'?"""
        return what in self._wanted.hooks

    def stops_at(self, word: str, text: str, event: Any) -> bool:
        """Does the plugin that brings the condition ``word`` say that this is an event to stop at?

        One whose plugin is not here, or raises, never holds again.
        """
        loaded = self.plugins
        if word not in self._kinds:
            return False
        name, kind = self._kinds[word]
        with self.session.quietly():
            try:
                condition = self._read.get((word, text))
                if condition is None:
                    condition = self._read[word, text] = kind.read(text)
                return condition.matches(event)
            except Exception as error:  # a stranger's code
                loaded.disable(name, error, f"the condition '{word}'")
                del self._kinds[word]
                return False

    def facts(self, tensor: Any, name: str) -> tuple[tuple[str, str], ...]:
        """Return what plugins say of a tensor: (label, text), at most :data:`MOST_FACTS`."""
        loaded = self.plugins
        if not loaded.has("gradrepl_facts"):
            return ()
        with self.session.quietly():
            facts = loaded.flat("gradrepl_facts", tensor=tensor.detach(), name=name)
            pairs = [(str(label)[:40], str(text)[:400]) for _, (label, text) in facts]
        return tuple(pairs[:MOST_FACTS])

    def batch(self, number: int, indices: Sequence[Any]) -> None:
        """Show a batch that a watched loop has got."""
        if self.wants("batch"):
            self._see("batch", number=number, indices=tuple(map(repr, indices)))

    def stopped(self, record: Any) -> None:
        """Show a stop."""
        self._see("stop", stop=record)

    def passed(self, record: Any) -> None:
        """Show the end of a backward."""
        self._see("pass", done=record)

    def saw(self, event: Any) -> None:
        """Show what runs."""
        self._see("event", event=event)

    def _see(self, hook: str, **given: Any) -> None:
        """Call what looks on in every plugin; nothing of it can stop or be recorded."""
        if self.wants(hook):
            with self.session.quietly():
                self.plugins.notify(f"gradrepl_{hook}", **given)


# -- what is answered ----------------------------------------------------------------------------


@on(p.UsePlugins)
def _(request: p.UsePlugins, session: Session, place: Place) -> Answer:
    session.state(Plugged).want(request)
    return None


@on(p.ListPlugins)
def _(request: p.ListPlugins, session: Session, place: Place) -> Answer:
    return model.PluginList(rows=tuple(session.state(Plugged).plugins.rows.values()))


SEVERITY = ("error", "warning", "note")
MOST_FINDINGS = 64
"""Findings in one answer."""
LOOKED_AT = ("memory in scope", "modules and optimizers in scope", "watched gradients")


@on(p.AskPlugin)
def _(request: p.AskPlugin, session: Session, place: Place) -> Answer:
    session.wait_for_torch()
    plugins = session.state(Plugged).plugins  # loads them, so that the request's class is known
    given = {"request": p.unpacked(request, p.Request), "here": Here(session, place)}
    if given["request"] is not None:
        for _, record in plugins.call("gradrepl_answer", **given):
            if isinstance(record, model.Record):
                return record
    raise UsageError(
        f"no plugin of the program answers '{request.kind}'.", "':plugins' lists them."
    )


@on(p.AskFindings)
def _(request: p.AskFindings, session: Session, place: Place) -> Answer:
    checked = session.state(Check).findings()
    if request.run:
        return checked
    session.wait_for_torch()
    here = Here(session, place)
    with session.quietly():
        rows = [
            msgspec.structs.replace(row, evidence=row.evidence or f"says the plugin '{name}'")
            if name != OWN
            else row
            for name, row in session.state(Plugged).plugins.flat(
                "gradrepl_findings", names=here.names, ask=here.ask
            )
        ]
    rows += checked.rows
    if session.raised is not None and place.state == "exception":
        rows.insert(0, session.raised)
    rows.sort(key=lambda row: SEVERITY.index(row.severity) if row.severity in SEVERITY else 9)
    looked_at = LOOKED_AT if session.state(Gradients).watch is not None else LOOKED_AT[:-1]
    return model.Findings(rows=tuple(rows[:MOST_FINDINGS]), looked_at=looked_at)
