"""The doors for plugins: what each hook is given, returns, and where it runs.

A plugin is a module, or a class instance, with functions of these names, each marked with
``gradrepl.hookimpl``; it leaves out what it does not need, arguments too. The same file is loaded
in two kinds of process. A *face* draws and asks, and never has torch; the *debuggee* is the
user's own process, and never has Textual. So the top of the file imports neither: a hook imports
what it needs in its body. A hook that raises disables its plugin, and the user's run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from gradrepl import model
    from gradrepl.conditions import Kind
    from gradrepl.event import Event
    from gradrepl.tui.views import View

hookspec = pluggy.HookspecMarker("gradrepl")
hookimpl = pluggy.HookimplMarker("gradrepl")


# -- in a face, in its main thread, once, before the first prompt ------------------------------


@hookspec
def gradrepl_commands() -> Iterable[Callable[..., Any]]:  # type: ignore[empty-body]
    """Return functions made with ``gradrepl.commands.registry.command``.

    Each gets the conversation and its parsed arguments and returns a record, or nothing; what
    needs torch it asks with ``await talk.ask(protocol.AskPlugin(...))``: ``gradrepl_answer``.
    """


@hookspec
def gradrepl_views() -> Iterable[View]:  # type: ignore[empty-body]
    """Return rows for the table of screens; asked by the screen face alone.

    A view's page is named as 'module:Class' and imported when it is first opened, so that
    Textual is needed only then. A digit that is taken is exchanged for the next free one.
    """


@hookspec
def gradrepl_exporters() -> Iterable[Callable[..., Any]]:  # type: ignore[empty-body]
    """Return functions made with ``gradrepl.export.exporter``: kinds of ``:export``."""


@hookspec
def gradrepl_keymaps() -> Mapping[str, Mapping[str, str]]:  # type: ignore[empty-body]
    """Return presets of keys: name -> {id of a key: keys, joined by commas}."""


# -- in both ------------------------------------------------------------------------------------


@hookspec
def gradrepl_conditions() -> Iterable[type[Kind]]:  # type: ignore[empty-body]
    """Return kinds of breakpoint, such classes as our own are: ``gradrepl.conditions.Kind``.

    A face has word, usage and help of it, and calls ``read(text)`` to know whether what was typed
    is right; in the debuggee that is read again, and ``matches(event)`` called in the thread that
    runs the op or node, at each event that the kind is ``about``.
    """


# -- in the debuggee ----------------------------------------------------------------------------


@hookspec
def gradrepl_facts(tensor: Any, name: str) -> Iterable[tuple[str, str]]:  # type: ignore[empty-body]
    """Return (label, text) pairs that ``:t`` shows of ``tensor``.

    In the thread that is parked, without gradient recording; ``tensor`` is an alias without
    history: writing to it writes to the user's memory. Do not keep it.
    """


@hookspec
def gradrepl_findings(  # type: ignore[empty-body]
    names: Mapping[str, Any], ask: Callable[[Any], Any]
) -> Iterable[model.Finding]:
    """Return diagnoses for ``:findings``.

    ``names`` are the variables in reach; ``ask`` gives the record that answers a request of
    ``gradrepl.protocol``. In the thread that is parked, without gradient recording. Do not keep
    what it holds. Our own findings come through here, too.
    """


@hookspec(firstresult=True)
def gradrepl_answer(
    question: str,
    arguments: Mapping[str, str],
    names: Mapping[str, Any],
    evaluate: Callable[[str], Any],
) -> model.Record | None:
    """Answer what the face half asked, or return None where the question is not this plugin's.

    ``names`` are the variables in reach, ``evaluate`` gives the value of an expression of the
    user's. In the thread that is parked, without gradient recording. The record crosses a socket:
    keep it bounded. Raise a ``gradrepl.errors.UsageError`` for what the user got wrong.
    """


@hookspec
def gradrepl_event(event: Event) -> None:
    """See every op and every node of a backward.

    In the thread that runs it, before it goes on: each call slows the program. With any plugin
    that has this hook, every op is recorded and every backward is watched.
    """


@hookspec
def gradrepl_stop(stop: model.Stop) -> None:
    """See each stop, in the thread that is parked, before the face does."""


@hookspec
def gradrepl_pass(done: model.Pass) -> None:
    """See the end of each watched backward, in the thread that ran it."""


@hookspec
def gradrepl_batch(number: int, indices: tuple[str, ...]) -> None:
    """See each batch that a watched loop over a DataLoader gets, in that loop's thread.

    ``indices`` are those of the dataset, as far as they are known.
    """
