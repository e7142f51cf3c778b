"""The three standard streams of a debuggee, as a face reads and feeds them through pipes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

PIECE = 1 << 16
KEPT = 1 << 18
"""Bytes of output that are remembered."""


class Streams:
    """A face's ends of the pipes. Make it inside a running event loop."""

    def __init__(self, on_output: Callable[[str, bytes], None]) -> None:
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._outputs: dict[int, str] = {}
        self._input: asyncio.WriteTransport | None = None
        self._feeding: int | None = None

    @property
    def outputs(self) -> list[int]:
        """Descriptors that are read."""
        return list(self._outputs)

    def read_from(self, descriptor: int, name: str) -> None:
        """Pass on what comes out of ``descriptor`` as the output ``name``; owns it."""
        os.set_blocking(descriptor, False)
        self._outputs[descriptor] = name
        self._loop.add_reader(descriptor, self._read, descriptor)

    def write_to(self, descriptor: int) -> None:
        """Take ``descriptor`` as what is fed, once ``open_input`` was awaited; owns it."""
        self._feeding = descriptor

    async def open_input(self) -> None:
        """Make ``feed`` possible, if there is anything to feed."""
        if self._feeding is not None:
            pipe = open(self._feeding, "wb", buffering=0)  # noqa: SIM115  # the transport owns it
            self._feeding = None
            self._input, _ = await self._loop.connect_write_pipe(asyncio.BaseProtocol, pipe)

    def feed(self, data: bytes) -> None:
        """Write to the standard input; empty data ends it."""
        if self._input is None:
            return
        if data:
            self._input.write(data)
        else:
            self._input.close()
            self._input = None

    def drain(self) -> None:
        """Pass on the output that has been written so far."""
        for descriptor in self.outputs:
            self._read(descriptor)

    def close(self) -> None:
        """Let go of the pipes."""
        self.drain()
        for descriptor in self.outputs:
            self._forget(descriptor)
        if self._input is not None:
            self._input.close()
            self._input = None
        if self._feeding is not None:
            os.close(self._feeding)
            self._feeding = None

    def _read(self, descriptor: int) -> None:
        """Read what there is, but no more than a piece, so that a flood cannot hold the face."""
        try:
            data = os.read(descriptor, PIECE)
        except BlockingIOError:
            return
        if data:
            self._on_output(self._outputs[descriptor], data)
        else:
            self._forget(descriptor)

    def _forget(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)
        os.close(descriptor)
        del self._outputs[descriptor]
