"""What plugins see of a run: stops, the ends of backwards, batches, and on demand every event."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradrepl import __version__, model
from gradrepl import conditions as c
from gradrepl.engine.code import frames
from gradrepl.engine.observers import Observer
from gradrepl.protocol import UsePlugins

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.plugins import Plugins


OWN = "gradrepl"
"""The name of what comes from us through the same doors."""
MOST = 32
"""Facts of one tensor."""


def use(session: Session, files: tuple[str, ...], blocked: tuple[str, ...]) -> Plugins:
    """Load the plugins of this process, and say in the session which of them fails."""
    from gradrepl import plugins

    found = plugins.here("debuggee")
    found.tell = lambda sentence: session.tell(model.Error(message=sentence, kind="PluginError"))
    if OWN not in found.rows:
        from gradrepl.engine.explain import findings

        found.register(findings, OWN, OWN, __version__)
    found.load(files, blocked)
    return found


class Plugged(Observer):
    """Calls the plugins' observers, under the mask that keeps them from stopping anything."""

    built_in = True

    def __init__(self, session: Session) -> None:
        self.session = session
        self._wanted = UsePlugins()
        self._plugins: Plugins | None = None
        self._kinds: dict[str, tuple[str, type[c.Kind]]] = {}
        """Kinds of breakpoint by word, with the plugin that brings each."""
        self._read: dict[tuple[str, str], c.Kind] = {}
        """Breakpoints of these kinds, by word and text."""

    def want(self, wanted: UsePlugins) -> None:
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
            script = os.path.abspath(self.session.script)  # may be a plugin, too: write_a_plugin.py
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
        found = self.plugins
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
                found.disable(name, error, f"the condition '{word}'")
                del self._kinds[word]
                return False

    def facts(self, tensor: Any, name: str) -> tuple[tuple[str, str], ...]:
        """Return what plugins say of a tensor: (label, text), at most :data:`MOST`."""
        found = self.plugins
        if not found.has("gradrepl_facts"):
            return ()
        with self.session.quietly():
            given = found.flat("gradrepl_facts", tensor=tensor.detach(), name=name)
            said = [(str(label)[:40], str(text)[:400]) for _, (label, text) in given]
        return tuple(said[:MOST])

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
