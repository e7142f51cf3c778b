"""What the program prints: kept as it comes, shown thirty times a second, bounded in a flood."""

from __future__ import annotations

from collections import deque
from typing import Any

from gradrepl.tui.actions import Actions
from gradrepl.tui.ring import Ring

DRAIN = 1 / 30
"""Seconds between two looks at what the program printed."""
FLOOD = 1 << 20
"""Bytes printed between two looks that are still read."""


class Printing(Actions):
    """Takes the output of the debuggee to the Log and beside what was typed."""

    ring: Ring

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._draining = False
        self._printed: deque[tuple[str, bytes]] = deque()
        self._printed_size = 0

    def printed(self, stream: str, data: bytes) -> None:
        """Keep what was printed until the next look; of a flood only the end."""
        self._printed.append((stream, data))
        self._printed_size += len(data)
        if self._printed_size > FLOOD and len(self._printed) > 1:
            while self._printed_size > FLOOD // 2 and len(self._printed) > 1:
                self._printed_size -= len(self._printed.popleft()[1])
            mark = (stream, b"\n... more was printed than can be shown ...\n")
            self._printed.appendleft(mark)
        if not self._draining:
            self._draining = True
            self.set_timer(DRAIN, self.flush)

    def flush(self) -> None:
        """Show what was printed."""
        self._draining = False
        if not self._printed:
            return
        pieces, self._printed, self._printed_size = self._printed, deque(), 0
        for stream, data in pieces:
            self.ring.write(stream, data)
            self.dock.transcript.take(stream, data)
        self.dock.transcript.renew()
        if self.view == "log":
            self.log_pane.renew()
        elif not self.header.news:
            self.header.news = True
            self.header.refresh()
