"""The plugin API: what each hook is given, returns, and where it runs.

A plugin is a module, or a class instance, with functions of these names, each marked with
``gradrepl.hookimpl``; it leaves out what it does not need, arguments too. The same file is loaded
in two kinds of process. A *client* draws and asks, and never has torch; the *program* is the
user's own process, and never has Textual. So the top of the file imports neither: a hook imports
what it needs in its body. A hook that raises disables its plugin, and the run continues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pluggy

from gradrepl import model
from gradrepl.conditions import Event, Kind
from gradrepl.draw import Look
from gradrepl.draw.ink import Line
from gradrepl.errors import UsageError

if TYPE_CHECKING:  # a hundred structs: the first frame does not wait for them
    from gradrepl.protocol import Request

hookspec = pluggy.HookspecMarker("gradrepl")
hookimpl = pluggy.HookimplMarker("gradrepl")

Draw = Callable[[Any, Look], Iterable[Line]]
"""Draws a record as lines of (text, role)."""


class Here:
    """Where the program is parked, for the half of a plugin that answers there.

    ``session`` and ``place`` are the engine's own; their inside may change between versions.
    """

    def __init__(self, session: Any, place: Any) -> None:
        self.session = session
        self.place = place

    @property
    def names(self) -> dict[str, Any]:
        """The variables in scope, the innermost winning."""
        with self.session.scope(self.place) as (space, local):
            return {**space, **local}

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of the user's.

        Raises:
            UsageError: it has none.
        """
        try:
            return self.session.evaluate(expression, self.place)
        except Exception as error:  # the user's expression
            raise UsageError(f"{expression}: {type(error).__name__}: {error}") from None

    def ask(self, request: Request) -> model.Record | None:
        """Return the record that answers a request."""
        record: model.Record | None = self.session.answer(request, self.place)
        return record

    def apart(self, made: Callable[[], model.Record | None]) -> model.Record | None:
        """Return the record that ``made`` returns in a copy of the program, which then ends.

        What code of the user's does there, the program does not notice; nor what is kept there.
        """
        from gradrepl.engine.data import apart

        record: model.Record | None = apart.answered(self.session, self.place, made)
        return record

    def grad_as_typed(self) -> AbstractContextManager[Any]:
        """Record gradients where what the user types would: inside a backward the mode is off."""
        mode: AbstractContextManager[Any] = self.session.grad_as_typed(self.place)
        return mode

    def progress(self, what: str, total: int | None = None, unit: str = "batches") -> Any:
        """Tell how far something long is, and take Ctrl-C as the wish to have what there is.

        ``with here.progress("tune", 4) as telling``: ``telling.at(1)``, ``telling.stopped``.
        """
        from gradrepl.engine.progress import Telling

        return Telling(self.session, what, total, unit)


# -- in a client, in its main thread, once, before the first prompt ------------------------------


@hookspec
def gradrepl_commands() -> Iterable[Callable[..., Any]]:  # type: ignore[empty-body]
    """Return functions made with ``gradrepl.commands.registry.command``.

    Each gets the conversation and its parsed arguments and returns a record, or nothing; what
    needs torch it asks with ``await talk.ask(...)`` and answers in ``gradrepl_answer``.
    """


@hookspec
def gradrepl_drawings() -> Mapping[type[model.Record], Draw]:  # type: ignore[empty-body]
    """Return what draws the records that this plugin brings: {class: function}.

    Each function gets the record and a ``gradrepl.draw.Look``, and returns lines: lists of (text,
    role), see ``gradrepl.draw.ink``; a ``Row`` is never broken. A record without a drawing shows
    its fields. One that says ``PANE`` is kept by that pane of a screen, too.
    """


@hookspec
async def gradrepl_typed(talk: Any, text: str) -> str | None:
    """Return the command that a typed line stands for, where it is meant for this plugin.

    Awaited before a line without ``:`` or ``!`` is taken for a command or for Python.
    """


@hookspec
async def gradrepl_entered(talk: Any, text: str) -> None:
    """See each entry when it is over: the program waits again, or is gone. Awaited."""


@hookspec
def gradrepl_shown(talk: Any, record: model.Record) -> None:
    """See each record that is answered or told, before it is drawn."""


@hookspec
def gradrepl_views() -> Iterable[Any]:  # type: ignore[empty-body]
    """Return a ``gradrepl.tui.views.View`` for each screen; asked by the screen alone.

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

    A client has word, usage and help of it, and calls ``read(text)`` to know whether what was typed
    is right; in the debuggee that is read again, and ``matches(event)`` called in the thread that
    runs the op or node, at each event that the kind is ``about``.
    """


# -- in the debuggee ----------------------------------------------------------------------------


@hookspec(firstresult=True)
def gradrepl_html(shown: Any) -> str | None:
    """Return HTML that a notebook shows: for a ``model.Health`` (of ``gradrepl.watch``) or a trace.

    In the user's own process, when the notebook asks for it; without it the text is shown.
    """


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

    ``names`` are the variables in scope; ``ask`` gives the record that answers a request of
    ``gradrepl.protocol``. In the thread that is parked, without gradient recording. Do not keep
    what it holds. Our own findings come through here, too.
    """


@hookspec(firstresult=True)
def gradrepl_answer(request: Request, here: Here) -> model.Record | None:
    """Answer a request that a plugin brings, or return None where it is not this plugin's.

    A plugin's request is a frozen subclass of ``gradrepl.protocol.Request``: its client half asks
    ``await talk.ask(AskHeat(of="x"))``. The answer is any record, or the plugin's own: a frozen
    subclass of ``gradrepl.model.Record``, which ``gradrepl_drawings`` draws. It crosses a socket:
    keep it bounded. ``here`` has the variables in scope (``names``), ``evaluate(expression)``, and
    ``ask(request)``. In the thread that is parked, in the grad mode that it is parked in. Raise a
    ``gradrepl.errors.UsageError`` for what the user got wrong.
    """


@hookspec
def gradrepl_loader_check(
    loader: Any, site: model.Site | None, say: Callable[[str], None]
) -> tuple[Iterable[model.Finding], str] | None:
    """Return what is wrong with a DataLoader, and what was looked at, for ``:loader check``.

    ``site`` is the line to blame where none is nearer; ``say`` shows what is being looked at. In a
    copy of the program, which ends with the check: it may run the user's dataset and loader
    (``gradrepl.engine.data.workers.running``), in the grad mode of what is typed there.
    """


@hookspec
def gradrepl_event(event: Event) -> None:
    """See every op and every node of a backward.

    In the thread that runs it, before it goes on: each call slows the program. With any plugin
    that has this hook, every op is recorded and every backward is watched.
    """


@hookspec
def gradrepl_stop(stop: model.Stop) -> None:
    """See each stop, in the thread that is parked, before the client does."""


@hookspec
def gradrepl_pass(done: model.Pass) -> None:
    """See the end of each watched backward, in the thread that ran it."""


@hookspec
def gradrepl_batch(number: int, indices: tuple[str, ...]) -> None:
    """See each batch that a watched loop over a DataLoader gets, in that loop's thread.

    ``indices`` are those of the dataset, as far as they are known.
    """
