"""What exporters are given: records whose rows can be gone through again and again.

Rows came over the link in parts. Few are kept in memory, many in a temporary file that has no
name: going through a million of them takes no more memory than going through a thousand.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import msgspec

from gradrepl import model

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


class Graph:
    """A graph, or a backward; ``nodes`` come in the order in which the engine runs them.

    A backward that is exported as a pass has them in the order in which they ran.
    """

    def __init__(self, about: model.Taken, nodes: Rows[model.NodeRow]) -> None:
        self.about, self.nodes = about, nodes

    @property
    def title(self) -> str:
        """What it is, in words."""
        about = self.about
        return about.of or about.root or "a graph"


class Ops:
    """The recorded ops, in the order in which they ended."""

    def __init__(self, about: model.Taken, ops: Rows[model.OpRow]) -> None:
        self.about, self.ops = about, ops


class Time:
    """The recorded ops, and the nodes of the recorded backwards in the order in which they ran."""

    def __init__(self, ops: Rows[model.OpRow], nodes: Rows[model.NodeRow]) -> None:
        self.ops, self.nodes = ops, nodes


class Screen:
    """A picture of the screen, as Textual draws it, and its text."""

    def __init__(self, svg: str, text: str) -> None:
        self.svg, self.text = svg, text
