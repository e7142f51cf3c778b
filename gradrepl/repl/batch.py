"""Lines from a pipe or a file, run as at the prompt; then it exits.

An empty line ends a block or an open bracket, the end of the input ends everything. Descriptor 0
is shared with the debuggee, whose ``input()`` may take the next line: so it is read byte by byte,
never ahead.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal

from gradrepl.commands.conversation import Conversation, converse
from gradrepl.commands.entry import ends_at_blank
from gradrepl.launch import Options
from gradrepl.repl.output import Output


def run(options: Options) -> int:
    """Serve the lines of standard input; return the exit code."""
    # Ctrl-C reaches the debuggee from the terminal itself; a handler, unlike SIG_IGN, is not
    # inherited by it.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    return asyncio.run(_serve(options))


async def _serve(options: Options) -> int:
    output = Output(options)
    talk = converse(options, output.show)
    talk.on_output = output.printed
    pass_signals(talk)
    try:
        await talk.start()
        while not talk.finished and (text := await _entry(talk)) is not None:
            await talk.enter(text)
    finally:
        await talk.close()
    return talk.exit_code


def pass_signals(talk: Conversation) -> None:
    """Hand on to the debuggee what is meant to end us."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, talk.forward_signal, number)


async def _entry(talk: Conversation) -> str | None:
    """Read one complete entry; None at the end of the input."""
    lines: list[str] = []
    while True:
        line = await _line(talk)
        if line is None:
            return "\n".join(lines) if lines else None
        lines.append(line)
        text = "\n".join(lines)
        if not talk.needs_more(text) or (not line.strip() and ends_at_blank(text)):
            return text


async def _line(talk: Conversation) -> str | None:
    """Read one line of descriptor 0, byte by byte; None at its end or when all is over."""
    data = bytearray()
    while await _readable(talk):
        try:
            byte = os.read(0, 1)
        except OSError:  # closed, or a folder
            byte = b""
        if byte in (b"", b"\n"):
            return None if not byte and not data else data.decode(errors="replace").rstrip("\r")
        data += byte
    return None


async def _readable(talk: Conversation) -> bool:
    """Wait for input, or for the conversation to end by itself (a signal)."""
    if _ready():
        return True
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    before, talk.on_change = talk.on_change, changed.set
    loop.add_reader(0, changed.set)
    try:
        while not talk.finished and not _ready():
            changed.clear()
            await changed.wait()
    finally:
        loop.remove_reader(0)
        talk.on_change = before
    return not talk.finished


def _ready() -> bool:
    """Will a read not wait? A closed descriptor will not: it fails at once."""
    try:
        return bool(select.select([0], [], [], 0)[0])
    except OSError:
        return True
