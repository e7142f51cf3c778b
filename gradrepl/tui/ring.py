"""The program's output as a bounded list of lines: what a terminal would show, without its cursor.

Bytes come in any pieces and in any encoding; ``\\r`` overwrites its line, so that a progress bar
is one line; an open line of one stream stays in its place while the other stream goes on.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from rich.style import Style

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span

if TYPE_CHECKING:
    from rich.ansi import AnsiDecoder
    from rich.console import Console

LINES = 20_000
"""Lines that are kept."""
LONGEST = 4_000
"""Characters of one line that are kept."""
FLOOD = 1 << 20
"""Bytes printed between two looks that are still read."""

_ERASE = re.compile(r"\x1b\[[0-2]?K")
_ESCAPE = re.compile(r"\x1b\[[0-9;:?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")


@dataclass
class Printed:
    """One line of output; ``text`` still has its colours as escape codes."""

    stream: str
    text: str
    fresh: bool = False
    """The next character overwrites the line from its start."""


def bare(text: str) -> str:
    """Return ``text`` without escape sequences."""
    return _ESCAPE.sub("", text)


@cache
def _decoder() -> tuple[AnsiDecoder, Console]:
    from rich.ansi import AnsiDecoder
    from rich.console import Console

    return AnsiDecoder(), Console(color_system="truecolor", force_terminal=True, width=10_000)


def decode(text: str) -> Line:
    """Return ``text`` with its escape codes for colours as styles; others are dropped."""
    if "\x1b" not in text:
        return [span(text)]
    decoder, console = _decoder()
    decoder.style = Style.null()
    decoded = next(iter(decoder.decode(text)), None)
    if decoded is None:
        return []
    return [
        (ink.clean(part.text), part.style or "")
        for part in decoded.render(console)
        if part.text and not part.control
    ]


class Ring:
    """The last lines that a program printed."""

    def __init__(self, lines: int = LINES) -> None:
        self.lines: deque[Printed] = deque(maxlen=lines)
        self.seen = 0
        """Lines begun since the start; those that fell out of the ring included."""
        self._open: dict[str, Printed] = {}
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}

    def write(self, stream: str, data: bytes) -> None:
        """Add what was printed on ``stream`` ('stdout' or 'stderr')."""
        if stream not in self._decoders:
            self._decoders[stream] = codecs.getincrementaldecoder("utf-8")("replace")
        text = self._decoders[stream].decode(data).replace("\r\n", "\n")
        *whole, rest = text.split("\n")
        for part in whole:
            self._extend(stream, part)
            del self._open[stream]
        if rest:
            self._extend(stream, rest)

    def _line(self, stream: str) -> Printed:
        line = self._open.get(stream)
        if line is None:
            line = self._open[stream] = Printed(stream, "")
            self.lines.append(line)
            self.seen += 1
        return line

    def _extend(self, stream: str, text: str) -> None:
        """Add ``text``, which has no newline, to the stream's open line."""
        line = self._line(stream)
        first, *again = text.split("\r")
        self._put(line, first)
        for part in again:
            line.fresh = True
            self._put(line, part)

    @staticmethod
    def _put(line: Printed, text: str) -> None:
        if not text:
            return
        if line.fresh:
            line.fresh = False
            tail = "" if "\x1b" in text or "\x1b" in line.text else line.text[len(text) :]
            line.text = text + tail
        elif len(line.text) < LONGEST:
            line.text += text
        line.text = _ERASE.sub("", line.text)[:LONGEST]

    def text(self) -> str:
        """Return all lines as text without escape sequences."""
        return "\n".join(bare(line.text) for line in self.lines)


class Flood:
    """What came since somebody looked: bounded, the oldest is dropped and said so."""

    def __init__(self, most: int = FLOOD) -> None:
        self._most, self._size = most, 0
        self._pieces: deque[tuple[str, bytes]] = deque()

    def add(self, stream: str, data: bytes) -> None:
        """Keep what was printed."""
        self._pieces.append((stream, data))
        self._size += len(data)
        if self._size > self._most and len(self._pieces) > 1:
            while self._size > self._most // 2 and len(self._pieces) > 1:
                self._size -= len(self._pieces.popleft()[1])
            mark = (stream, b"\n... more was printed than can be shown ...\n")
            self._pieces.appendleft(mark)

    def take(self) -> deque[tuple[str, bytes]]:
        """Return all pieces, and forget them."""
        pieces, self._pieces, self._size = self._pieces, deque(), 0
        return pieces
