"""Start a program: its Python, its environment, its three streams, and how it ended."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from gradrepl.endpoint import Endpoint
from gradrepl.errors import TargetError, UsageError

VARIABLE = "GRADREPL_DEBUGGEE"
"""The one environment variable that a debuggee is started with; it removes it at once."""
STACK = 1 << 30
"""Bytes of stack for the debuggee: freeing a graph of a million nodes recurses in C."""
PIECE = 1 << 16
KEPT = 1 << 18
"""Bytes of output that are remembered."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What both the settings and the command line say; ``config.HELP`` tells what each means."""

    theme: str = "dark"
    color: bool = True
    ascii: bool = False
    plain: bool = False
    keys: str = "default"
    keymap: dict[str, str] = {}
    device: str = ""
    eager: bool = False
    limits: dict[str, float] = {}
    plugins: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


class Options(Settings, frozen=True, kw_only=True):
    """What was asked for on the command line; every client gets the same."""

    target: str = ""
    """A script's path, a module's name, or empty for an interactive session."""
    args: tuple[str, ...] = ()
    module: bool = False
    blocked: tuple[str, ...] = ()
    """Names of plugins not to load."""
    stdin: str = "tty"
    """'tty', 'lines' or 'asked': how the debuggee reads its standard input."""
    output: str = "inherit"
    """'inherit', or 'piped' to get the debuggee's output through ``on_output``; with 'stdout' its
    standard output alone, and what is written to the same file as that."""
    python: str = sys.executable
    engine: tuple[str, ...] = (
        "-c",
        "import sys; del sys.path[0]; from gradrepl.engine.__main__ import main; sys.exit(main())",
    )
    """What Python is asked to run as the debuggee: nothing in the working directory may shadow
    what the engine imports."""
    client: str = ""
    """'tui', 'repl' or 'batch'; empty to choose by the terminal."""
    json: bool = False
    notes: tuple[str, ...] = ()
    """Sentences to say at the start: settings that were not used."""
    listens: bool = False
    """Run it normally, and let clients attach."""
    address: str = ""
    """Where it listens; empty for a private socket."""
    waits: bool = False
    """Do not begin before a client has attached."""
    guard: int = -1
    """Descriptor whose end says that the terminal of a killed client is in order again."""
    endpoint: Endpoint | None = None
    """A program that runs already, instead of one that is to be started."""


def is_device(name: str) -> bool:
    """Is this how a device is written?

    >>> [is_device(name) for name in ("cpu", "cuda:1", "auto", "gpu")]
    [True, True, True, False]
    """
    return re.fullmatch(r"cpu|meta|auto|cuda(:\d+)?", name) is not None


def check_target(path: str) -> None:
    """Refuse what cannot be run as a script, before a process is started for it.

    Raises:
        TargetError: it is missing, a folder, unreadable, or not Python.
    """
    if os.path.isdir(path):
        raise TargetError(
            f"'{path}' is a folder.", "Give the path of a script, or -m and a module."
        )
    try:
        with open(path, "rb") as file:
            source = file.read()
    except FileNotFoundError:
        raise TargetError(
            f"there is no script '{path}'.", "Check the path; ':examples' lists the shipped ones."
        ) from None
    except OSError as error:
        raise TargetError(
            f"'{path}' cannot be read: {error.strerror}.", "Check its permissions."
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise TargetError(
            f"'{path}' is not Python: {error.msg}{line}.", "Correct it and start again."
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise TargetError(f"'{path}' is not Python: {error}.", "Is it the right file?") from None


def exec_listening(options: Options) -> None:
    """Become the process that runs the target and listens; returns never.

    Raises:
        UsageError: there is no target.
    """
    if not options.target:
        raise UsageError("--listen needs a script.", "gradrepl --listen train.py")
    setup = {
        "target": options.target,
        "args": options.args,
        "module": options.module,
        "address": options.address,
        "wait": options.waits,
        "eager": options.eager,
        "stack": thread_stack(),
    }
    code = options.engine[1].replace("engine.__main__", "guest.__main__")
    environment = {**os.environ, "GRADREPL_LISTEN": json.dumps(setup)}
    with large_stack():
        os.execve(options.python, [options.python, "-c", code], environment)


def thread_stack() -> int:
    """Return the bytes of stack that a thread of the program gets alone; 0: not known."""
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return 0 if soft == resource.RLIM_INFINITY else soft


@contextmanager
def large_stack() -> Iterator[None]:
    """Give the process started inside a large stack; the limit is read when it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    want = STACK if hard == resource.RLIM_INFINITY else min(STACK, hard)
    raised = soft != resource.RLIM_INFINITY and soft < want
    if raised:
        with suppress(ValueError, OSError):  # not ours to raise here: shallower graphs then
            resource.setrlimit(resource.RLIMIT_STACK, (want, hard))
    try:
        yield
    finally:
        if raised:
            resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


class Streams:
    """A client's ends of the pipes. Make it inside a running event loop."""

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
        """Write to the standard input."""
        if self._input is not None:
            self._input.write(data)

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
        """Read what there is, but no more than a piece, so that a flood cannot hold the client."""
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


def _streams(options: Options, ends: Streams) -> tuple[list[int | None], list[int]]:
    """Return what a program gets as its streams, and ours, which it writes to without us."""
    ours: list[int] = []
    streams: list[int | None] = [None, None, None]
    if options.stdin == "asked":
        streams[0], feeding = os.pipe()
        ends.write_to(feeding)
    if options.output != "inherit":
        names = ("stdout", "stderr") if options.output == "piped" else ("stdout",)
        for index, name in enumerate(names, 1):
            read, write = os.pipe()
            streams[index] = write
            ends.read_from(read, name)
        if len(names) == 1 and os.path.sameopenfile(1, 2):
            streams[2] = os.dup(write)
        ours = [os.dup(number) for number in (0, 1, 2)]
    return streams, ours


def start(options: Options, link: int, ends: Streams) -> subprocess.Popen[bytes]:
    """Start a process with the engine in it; ``ends`` gets our ends of its streams.

    ``link`` is its own end of the socket.

    Raises:
        TargetError: the Python of ``options`` cannot be started.
    """
    streams, ours = _streams(options, ends)
    keep = ends.outputs
    setup = {
        "link": link,
        "stdin": options.stdin,
        "keep": keep,
        "fallback": ours,
        "guard": options.guard,
        "warm": not options.target,
        "eager": options.eager,
        "stack": thread_stack(),
    }
    # Ctrl-C reaches it only when it is ready for it; what is pressed before is forgotten.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with large_stack():
            return subprocess.Popen(
                [options.python, *options.engine],
                stdin=streams[0],
                stdout=streams[1],
                stderr=streams[2],
                pass_fds=[link, *keep, *ours, *([options.guard] if options.guard >= 0 else ())],
                env={**os.environ, VARIABLE: json.dumps(setup)},
            )
    except OSError as error:
        raise TargetError(
            f"'{options.python}' cannot be started: {error.strerror}.", "Is it a Python?"
        ) from None
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for descriptor in [*ours, *streams]:
            if descriptor is not None:
                os.close(descriptor)
