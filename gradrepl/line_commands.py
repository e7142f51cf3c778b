"""Commands typed at the prompt of another: pdb, IPython (``%load_ext gradrepl``), notebooks.

A command such as ``grad x`` is asked of this process's session directly, where the caller stands.
Nothing is armed, and no process is started, but by ``bw``.
"""

from __future__ import annotations

from types import FrameType
from typing import Any

from gradrepl import draw, model, protocol
from gradrepl.commands.registry import Command, find, split_word
from gradrepl.commands.table import WORDS
from gradrepl.engine.code import frames
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import GradreplError, StateError
from gradrepl.guest import api
from gradrepl.guest.host import Host

GROUPS = ("Looking", "Memory", "Modules", "Chain rule")
"""Words that only look."""
OURS_ONLY = {"where", "up", "down", "list", "longlist", "display", "undisplay", "nodes", "node"}
"""Of these, the ones whose prompt has them itself, or that make sense at our own stops only."""
ALONE = ("bw",)
"""Words that bring the client to this terminal."""


def known() -> dict[str, Command]:
    """Return the words that can be said, each with its command."""
    return {
        word: command
        for word, command in WORDS.items()
        if (command.name not in OURS_ONLY and command.group in GROUPS) or command.name in ALONE
    }


class Caller:
    """What a command knows of the conversation: here, only whom to ask."""

    state = "forward"
    stop = None
    stopped = False

    def __init__(self, place: Place) -> None:
        self._host = Host.get()
        self._place = place

    async def ask(self, request: protocol.Request) -> model.Record | None:
        """Return the answer of this process's session."""
        return self._answer(request, masked=True)

    async def run(self, request: protocol.Request) -> None:
        """Let it run, with stops; a client comes at the first."""
        record = self._answer(request, masked=False)
        self._host.finish()
        if isinstance(record, model.Error):
            raise StateError(record.message, record.hint)

    def _answer(self, request: protocol.Request, *, masked: bool) -> model.Record | None:
        host = self._host
        host.wake()
        with host.session.gate.masked(masked):
            return host.session.answer(request, self._place)


def say(line: str, stack: list[FrameType], space: dict[str, Any] | None = None) -> str:
    """Return the answer to ``line`` as text, seen from the first frame of ``stack``.

    Without frames the names are those of ``space``. An error of the user's is an answer, too.
    """
    host = Host.get()
    before = host.session.space
    if space is not None:
        host.session.space = space
    try:
        record = _done(line, stack)
    except GradreplError as error:
        record = error.record()
    finally:
        host.session.space = before
        frames.release(stack)
    return draw.text(record)


def _done(line: str, stack: list[FrameType]) -> model.Record:
    word, rest = split_word(line.strip().lstrip(":%"))
    if word not in known():
        raise StateError(f"'{word}' cannot be said here.", "Say it at a stop of gradrepl's.")
    command, rest = find(word, rest)
    caller = Caller(Place("forward" if stack else "idle", stack))
    work = command.function(caller, *command.parse(rest))
    try:
        work.send(None)
    except StopIteration as done:
        record: model.Record | None = done.value
        return record or model.Notice(message="done.")
    raise StateError(f"'{word}' cannot be said here.")


# -- IPython ------------------------------------------------------------------------------------


def load_ipython_extension(shell: Any) -> None:
    """Register the magics."""
    magics = Magics(shell)
    shell.register_magic_function(magics.grad, "line_cell", "grad")
    shell.register_magic_function(magics.gradrepl, "line", "gradrepl")


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics out again."""
    for kind, name in (("line", "grad"), ("cell", "grad"), ("line", "gradrepl")):
        shell.magics_manager.magics[kind].pop(name, None)


class Magics:
    """The magics of one shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def grad(self, line: str, cell: str | None = None) -> None:
        """Tell about a tensor's gradient; as a cell magic run the cell, stopped at its first line.

        ``%grad x`` shows ``x.grad``, or why there is none. ``%%grad`` steps the cell: on this
        terminal, in a notebook at a line below the cell; where there is neither, it waits for
        ``gradrepl attach``.
        """
        if cell is None:
            self.gradrepl(f"grad {line}")
            return
        source = self._shell.transform_cell(cell)
        name = self._shell.compile.cache(source)
        api.run(compile(source, name, "exec", dont_inherit=True), self._shell.user_ns)

    def gradrepl(self, line: str) -> None:
        """Say one of gradrepl's commands: ``%gradrepl mem a b``; alone it lists them."""
        if not line.strip():
            print("%gradrepl WORD ARGS, with a WORD of: " + ", ".join(known()))
            return
        print(say(line, [], self._shell.user_ns), end="")
