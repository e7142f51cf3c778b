"""The prompt in a notebook's cell that stopped.

A kernel has no terminal to lend. The conversation is that of every client, over a link in a thread
of its own, but only the thread that stopped may print into its cell and ask there for a line,
through ``input()``: it does so while it waits at its stop, as an errand between two requests.
"""

from __future__ import annotations

import asyncio
import builtins
import os
import socket
import threading
from typing import Any

from gradrepl import draw, model
from gradrepl.commands.conversation import Conversation, converse
from gradrepl.commands.registry import PROMPTS
from gradrepl.endpoint import Endpoint
from gradrepl.engine.stopping.gate import Gate
from gradrepl.errors import LinkError
from gradrepl.launch import Options
from gradrepl.link import leave_signals

PATIENCE = 5.0
"""Seconds that the conversation gets to end."""
MORE = "... "


class Cell:
    """The prompt in the cell, from a stop to where the program continues."""

    is_screen = False

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._unprinted: list[str] = []
        self._finished = asyncio.Event()
        self.link, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="gradrepl-notebook", daemon=True)
        self._thread.start()

    def take_back(self) -> int:
        """Wait for the conversation to end, and print what is still to be printed."""
        if threading.current_thread() is not self._thread:
            self._thread.join(PATIENCE)
        self._print()
        return 0

    def abandon(self) -> None:
        """Forget it: this is a forked child."""
        self._theirs.close()

    # -- in a thread of its own ----------------------------------------------------------------

    def _run(self) -> None:
        leave_signals()
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        here = Endpoint(pid=os.getpid(), link=self._theirs.detach())
        talk = converse(Options(endpoint=here, client="repl", color=False), self._show)
        talk.on_change = lambda: self._finished.set() if talk.finished else None
        try:
            await talk.start()
            while not talk.finished:
                await talk.settled()
                text = None if talk.finished else await self._entry(talk)
                if text is not None:
                    await talk.enter(text)
        except LinkError:
            pass  # the program ended in the middle of an answer
        finally:
            await talk.close()

    async def _entry(self, talk: Conversation) -> str | None:
        """Return one complete entry; None if it was given up, or nobody can be asked any more."""
        lines: list[str] = []
        while True:
            line = await self._line(MORE if lines else PROMPTS[talk.state])
            if isinstance(line, KeyboardInterrupt) or talk.finished:
                return None
            if isinstance(line, BaseException):
                self._say("nobody can be asked here: the program continues.")
                await talk.detach()
                return None
            lines.append(line)
            text = "\n".join(lines)
            if not line.strip() or not talk.needs_more(text):
                return text

    async def _line(self, prompt: str) -> str | BaseException:
        """Have the thread that stopped ask for a line; return it, or what came instead."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str | BaseException] = loop.create_future()

        def ask() -> None:
            self._print()
            line: str | BaseException
            try:
                line = builtins.input(prompt)
            except (Exception, KeyboardInterrupt) as error:  # of the kernel's: StdinNotImplemented
                line = error
            loop.call_soon_threadsafe(_answer, answer, line)

        self._gate.put(ask)
        ended = asyncio.create_task(self._finished.wait())
        both: set[asyncio.Future[Any]] = {answer, ended}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        return answer.result() if answer.done() else EOFError()

    # -- what is shown -------------------------------------------------------------------------

    def _show(self, record: model.Record) -> None:
        self._unprinted.append(draw.text(record))
        if not self._gate.places:  # nobody will come by to print it
            self._print()

    def _say(self, sentence: str) -> None:
        self._unprinted.append(f"gradrepl: {sentence}\n")

    def _print(self) -> None:
        text = ""
        while self._unprinted:
            text += self._unprinted.pop(0)
        if text:
            print(text, end="", flush=True)


def _answer(future: asyncio.Future[Any], line: str | BaseException) -> None:
    if not future.done():
        future.set_result(line)
