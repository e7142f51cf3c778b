"""What exporters are given, and the file that they write.

Rows came over the link in parts. Few are kept in memory, many in a temporary file that has no
name: going through a million of them takes no more memory than going through a thousand. A file
is written beside its place, then put there in one stroke.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, NamedTuple, TextIO, TypeVar

import msgspec

from gradrepl import model
from gradrepl.errors import TargetError

IN_MEMORY = 8 * 1024 * 1024
Row = TypeVar("Row", model.NodeRow, model.OpRow)

_encoder = msgspec.msgpack.Encoder()


class Rows(Generic[Row]):
    """Rows in their order; iterating reads them from the start."""

    def __init__(self, kind: type[Row], rows: Iterable[Row] = ()) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        self._parts: list[tuple[int, int]] = []
        self._decoder = msgspec.msgpack.Decoder(tuple[kind, ...])  # type: ignore[valid-type]
        self._count = self.seen = 0
        """``seen``: rows that have been read, by whoever read last."""
        if found := tuple(rows):
            self.add(found)

    def add(self, rows: tuple[Row, ...]) -> None:
        """Put some rows at the end."""
        data = _encoder.encode(rows)
        self._parts.append((self._file.seek(0, 2), len(data)))
        self._file.write(data)
        self._count += len(rows)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        self.seen = 0
        for place, size in self._parts:
            self._file.seek(place)
            for row in self._decoder.decode(self._file.read(size)):
                self.seen += 1
                yield row

    def close(self) -> None:
        """Give the room back."""
        self._file.close()

    __del__ = close


class Graph(NamedTuple):
    """A graph, or a backward; ``nodes`` come in the order in which the engine runs them.

    A backward that is exported as a pass has them in the order in which they ran.
    """

    about: model.Taken
    nodes: Rows[model.NodeRow]

    @property
    def title(self) -> str:
        """What it is, in words."""
        return self.about.of or self.about.root or "a graph"


class Ops(NamedTuple):
    """The recorded ops, in the order in which they ended."""

    about: model.Taken
    ops: Rows[model.OpRow]


class Time(NamedTuple):
    """The recorded ops, and the nodes of the recorded backwards in the order in which they ran."""

    ops: Rows[model.OpRow]
    nodes: Rows[model.NodeRow]


class Screen(NamedTuple):
    """A picture of the screen, as Textual draws it, and its text."""

    svg: str
    text: str


# -- a file appears whole or not at all ------------------------------------------------------------


_WHY = {
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.ENAMETOOLONG: "the name is too long",
}


def check(path: str, overwrite: bool) -> Path:
    """Return the place that ``path`` means.

    Raises:
        TargetError: nothing can be written there, or something is there already.
    """
    try:
        if "\0" in path:
            raise ValueError("its name has a NUL in it")
        place = Path(path).expanduser()
        place = place.resolve() if place.is_symlink() else place
        if place.is_dir():
            raise TargetError(f"'{path}' is a directory.", "Name a file in it.")
        if place.exists() and not place.is_file():
            raise TargetError(f"'{path}' is no ordinary file.", "Name another one.")
        if place.exists() and not overwrite:
            raise TargetError(f"'{path}' is there already.", "':export! ...' writes over it.")
        if not place.parent.is_dir():
            raise TargetError(f"there is no directory '{place.parent}'.", "Make it first.")
    except (OSError, ValueError, RuntimeError) as error:  # a user without a home
        raise _failed(path, error) from None
    return place


@contextmanager
def written(path: str, overwrite: bool = False) -> Iterator[TextIO]:
    """Open a file for writing; it gets its name when the block is left without an exception.

    Raises:
        TargetError: it cannot be written; nothing is left behind.
    """
    place = check(path, overwrite)
    part = place.with_name(f".gradrepl-{secrets.token_hex(6)}.part")
    try:
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _failed(path, error) from None
    try:
        with open(number, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            yield file
        if place.exists():
            os.chmod(part, stat.S_IMODE(place.stat().st_mode))
        os.replace(part, place)
    except OSError as error:
        raise _failed(path, error) from None
    finally:
        with suppress(OSError):
            os.unlink(part)


def _failed(path: str, error: Exception) -> TargetError:
    number = getattr(error, "errno", None)
    why = _WHY.get(number or 0) or getattr(error, "strerror", None) or str(error)
    return TargetError(f"'{path}' cannot be written: {why}.", "Name another file.")
