"""Faces for debuggees that run already: the child of one that stopped, and ``gradrepl attach``."""

from __future__ import annotations

import os
import signal
from importlib import import_module

from msgspec.structs import replace

from gradrepl import meeting
from gradrepl.cli import FACES, choose_face, parse
from gradrepl.errors import ConfigError, UsageError
from gradrepl.launch import Options
from gradrepl.meeting import Meeting


def main() -> int:
    """Be the face that a stopped program has started on its terminal."""
    about = meeting.decoded(os.environ.pop(meeting.VARIABLE))
    wanted = os.environ.get("GRADREPL_FACE", "")
    # When the program dies the shell takes the terminal back: we must still put it in order.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    for number in (about.link, about.input, *about.outputs):
        if number >= 0:
            os.set_inheritable(number, False)
    options = replace(_settings(), meeting=about, commands=())
    if wanted == "tui":
        options = replace(options, face="tui", stdin="asked", output="piped")
    else:
        options = replace(options, face="repl", stdin="tty")
    code: int = import_module(FACES[options.face]).run(options)
    return code


def _settings() -> Options:
    """Return the settings; where they are wrong the program stops all the same, with a word."""
    try:
        return parse([])
    except ConfigError as error:
        return Options(notes=(f"settings are not used: {error}",))


def attach(words: list[str]) -> int:
    """Do ``gradrepl attach``: without an address list who listens; return the exit code.

    Raises:
        GradreplError: nobody is there, or the token is wrong.
    """
    options = parse(words)
    if options.eager:
        raise UsageError("'--eager' is for a start: what runs is compiled, or is not.")
    if not options.target:
        print(listed(meeting.listening()))
        return 0
    found = meeting.find(options.target)
    meeting.connected(found.address).close()  # before a screen is drawn
    options = choose_face(replace(options, target="", args=(), meeting=found))
    code: int = import_module(FACES[options.face]).run(options)
    if options.face == "tui" and found.pid and not meeting.alive(found.pid):
        print(f"{found.name} has ended.")  # what the screen said is gone with it
    return code


def listed(found: list[Meeting]) -> str:
    """Return one line for each that listens."""
    if not found:
        return "Nothing listens. 'gradrepl --listen train.py' and gradrepl.listen() do."
    rows = [(each.name, str(each.pid), each.script, each.address) for each in found]
    rows.insert(0, ("NAME", "PID", "SCRIPT", "ADDRESS"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(word.ljust(width) for word, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )
