"""What was typed, kept between sessions in one file that all clients share.

One entry is one line of JSON, so entries of many lines stay whole. Writers hold a lock on a file
beside it, so that two sessions never mix their entries.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_state_path

KEEP = 10_000
"""Entries kept."""
SLACK = 4 * 1024 * 1024
"""Bytes from which the file is cut back to ``KEEP`` entries."""


class History:
    """The shared history; a folder that cannot be written makes it last for this session only."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_state_path("gradrepl") / "history"

    def load(self) -> list[str]:
        """Return the entries, oldest first; lines that are none of ours are skipped."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return list(_entries(lines[-KEEP:]))

    def append(self, text: str) -> None:
        """Add one entry."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                self._write(json.dumps(text) + "\n")
                if self.path.stat().st_size > SLACK:
                    self._cut()
        except OSError:
            return  # no place to keep it: typing goes on

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with open(self.path.with_name(self.path.name + ".lock"), "w") as side:
            fcntl.flock(side, fcntl.LOCK_EX)
            yield

    def _write(self, line: str) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(self.path, flags, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def _cut(self) -> None:
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines(True)
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.write_text("".join(lines[-KEEP:]), encoding="utf-8")
        os.replace(fresh, self.path)


def _entries(lines: list[str]) -> Iterator[str]:
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, str):
            yield entry
