"""What plugins see of a run: stops, the ends of backwards, batches, and on demand every event."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradrepl import __version__, model
from gradrepl import conditions as c
from gradrepl.engine import frames

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
        from gradrepl.engine.plugged import findings

        found.register(findings, OWN, OWN, __version__)
    found.load(files, blocked)
    return found


class Observers:
    """Calls the plugins' observers, under the mask that keeps them from stopping anything."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.wanted: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        """Files to load, names that are blocked."""
        self._plugins: Plugins | None = None

    @property
    def plugins(self) -> Plugins:
        """The plugins, loaded when this is first read."""
        if self._plugins is None:
            with self.session.gate.masked():  # nothing stops in a plugin's own lines
                self._plugins = use(self.session, *self.wanted)
            script = os.path.abspath(self.session.script)  # may be a plugin, too: write_a_plugin.py
            frames.plugins.update(set(self._plugins.files()) - {script})
            frames.forget_kinds()
            if self._plugins.has("gradrepl_event"):
                self.session.stepper.armed.always = (c.Observed(),)
        return self._plugins

    def wants(self, hook: str) -> bool:
        """Does a plugin that is loaded already have this hook?"""
        return self._plugins is not None and self._plugins.has(hook)

    def asked(self, word: str, text: str, event: Any) -> bool:
        """Does the plugin that brings the condition ``word`` say that this is an event to stop at?

        One whose plugin is not here, or raises, never holds again.
        """
        found = self.plugins
        with self.session.quietly():
            for name, kind in found.flat("gradrepl_conditions"):
                if kind.word == word:
                    try:
                        return bool(kind.matches(event, text))
                    except Exception as error:  # a stranger's code
                        found.disable(name, error, f"the condition '{word}'")
                        return False
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
        if self.plugins.has("gradrepl_batch"):
            self.see("gradrepl_batch", number=number, indices=tuple(map(repr, indices)))

    def see(self, hook: str, **given: Any) -> None:
        """Call every plugin's ``hook``; nothing of it can stop, record, or draw random numbers."""
        found = self.plugins
        if found.has(hook):
            with self.session.quietly():
                for _ in found.call(hook, **given):
                    pass
