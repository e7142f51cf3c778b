"""Our words without a face: said in the user's process, answered where the caller stands.

pdb, IPython and notebooks have prompts of their own; there a word such as ``grad x`` is asked of
this process's session directly. Nothing is armed, and no process is started, but by ``bw``.
"""

from __future__ import annotations

from types import FrameType
from typing import Any

from gradrepl import model, protocol
from gradrepl.commands import WORDS
from gradrepl.commands.refusals import failure
from gradrepl.commands.registry import split_word
from gradrepl.engine import answers
from gradrepl.engine.code import frames
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import GradreplError, StateError
from gradrepl.guest.home import Home

GROUPS = ("Looking", "Memory", "Modules", "Chain rule")
"""Words that only look."""
NEED_A_FACE = {
    "where", "up", "down", "list", "longlist", "display", "undisplay", "nodes", "node",
}  # fmt: skip
"""Of these, the ones whose host has them itself, or that make sense at our own stops only."""
ALONE = ("bw",)
"""Words that bring the face to this terminal."""


def known() -> dict[str, str]:
    """Return the words that can be said, each with its help."""
    return {
        word: command.help
        for word, command in WORDS.items()
        if (command.name not in NEED_A_FACE and command.group in GROUPS) or command.name in ALONE
    }


class Caller:
    """What a command knows of the conversation: here, only whom to ask."""

    state = "forward"
    stop = None
    stopped = False

    def __init__(self, place: Place) -> None:
        self._home = Home.get()
        self._place = place

    async def ask(self, request: protocol.Request) -> model.Record | None:
        """Return the answer of this process's session."""
        return self._answer(request, masked=True)

    async def run(self, request: protocol.Request) -> None:
        """Let it run, with stops; a face comes at the first."""
        record = self._answer(request, masked=False)
        self._home.finish()
        if isinstance(record, model.Error):
            raise StateError(record.message, record.hint)

    def _answer(self, request: protocol.Request, *, masked: bool) -> model.Record | None:
        home = self._home
        home.wake()
        with home.session.gate.masked(masked):
            return answers.answer(request, home.session, self._place)


def say(line: str, found: list[FrameType], space: dict[str, Any] | None = None) -> model.Record:
    """Return the answer to ``line``, seen from the first of the frames ``found``.

    Without frames the names are those of ``space``. An error of the user's is a record too.
    """
    home = Home.get()
    before = home.session.space
    if space is not None:
        home.session.space = space
    try:
        word, rest = split_word(line.strip().lstrip(":%"))
        if word not in known():
            raise StateError(f"'{word}' cannot be said here.", "Say it at a stop of gradrepl's.")
        command = WORDS[word]
        caller = Caller(Place("forward" if found else "idle", found))
        work = command.function(caller, *command.parse(rest))
        try:
            work.send(None)
        except StopIteration as done:
            record: model.Record | None = done.value
        else:
            raise StateError(f"'{word}' cannot be said here.")
        return record or model.Notice(message="done.")
    except GradreplError as error:
        return failure(error)
    finally:
        home.session.space = before
        frames.release(found)
