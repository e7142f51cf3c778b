"""What a forked copy of the program shares with it, made the copy's own.

A position in an open file and memory that is mapped as shared are the program's, too: files are
opened anew at the same place, memory is copied. What cannot be had twice, a socket or a pipe, is
cut: reading from it raises, and what is written goes nowhere, so that the other end sees nothing.
"""

from __future__ import annotations

import ctypes
import fcntl
import io
import os
import re
import resource
import signal
import stat
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress

from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.errors import StateError

OPEN = "/proc/self/fd"
MAPS, MEMORY = "/proc/self/maps", "/proc/self/mem"
LIMIT = 1 << 30
"""Bytes of a file that can be written, and of shared memory, that are copied."""
DEVICE = re.compile(r" /dev/(?!shm/|zero)| anon_inode:")
PRIVATE_ANONYMOUS, MOVE_TO = 0x22, 3
READ, READ_WRITE = 1, 3
FAILED = ctypes.c_void_p(-1).value
DIES_WITH_PARENT = 1
"""``PR_SET_PDEATHSIG``."""
HERE = "':fetch I --here' runs a sample in the program, where what it reads, draws and keeps stays."
CONNECTION = re.compile("connect|socket|server|file descriptor|broken pipe", re.IGNORECASE)

cut: set[str] = set()
"""What of the program's this copy does not have: 'GPU', 'connections'."""


def check(problem: BaseException) -> None:
    """Let what has raised be told, unless it may have raised because it ran in a copy.

    Raises:
        StateError: the copy lacks what it seems to be about.
    """
    text = f"{type(problem).__name__}: {problem}"
    if "GPU" in cut and "CUDA" in text:
        raise StateError(
            "samples are made on the GPU, which a copy of the program cannot use.", HERE
        )
    if "connections" in cut and CONNECTION.search(text):
        raise StateError(
            f"a copy of the program does not have its connections and pipes: {text[:200]}", HERE
        )


def possible() -> bool:
    """Can a copy of this process be kept apart? On Linux."""
    return sys.platform == "linux" and os.path.isdir(OPEN)


def isolate(keep: Collection[int], printed: int) -> None:
    """Make all that this copy shares its own; what it prints goes to ``printed``."""
    libc = ctypes.CDLL(None)
    os.setsid()  # no terminal: neither its keys nor its signals are for the copy
    libc.prctl(DIES_WITH_PARENT, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")  # where memory runs out, the program is not the one that goes
    _descriptors({*keep, printed})
    _streams(libc, printed)
    _memory(libc)


# -- descriptors ---------------------------------------------------------------------------------


def _descriptors(keep: Collection[int]) -> None:
    """Open all files anew, and cut what is none."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in map(int, os.listdir(OPEN)):
        if number in keep or number == nowhere:
            continue
        try:
            own = _own(number, os.fstat(number).st_mode)
        except OSError:  # it is closed by now, or may not be opened a second time
            own = None
        if own is None:
            continue
        with suppress(OSError):
            os.dup2(nowhere if own < 0 else own, number, os.get_inheritable(number))
        if own >= 0:
            os.close(own)
        elif number > 2:
            cut.add("connections")
    os.close(nowhere)


def _own(number: int, mode: int) -> int | None:
    """Return a descriptor to put in this one's place; -1 to cut it, None to leave it."""
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    if flags & os.O_PATH or (stat.S_ISCHR(mode) and not os.isatty(number)):
        return None
    if stat.S_ISDIR(mode):
        return os.open(f"{OPEN}/{number}", flags)
    if not stat.S_ISREG(mode):
        return -1
    try:
        return _reopened(number, flags)
    except OSError:
        return -1


def _reopened(number: int, flags: int) -> int:
    """Return a file at the same position; of one that can be written a copy of its bytes."""
    size = os.fstat(number).st_size
    access = flags & os.O_ACCMODE
    if access == os.O_RDONLY or (access == os.O_RDWR and size > LIMIT):
        own = os.open(f"{OPEN}/{number}", flags & ~os.O_ACCMODE)
    else:
        own = os.memfd_create("copy")
        done = 0
        while access == os.O_RDWR and done < size:
            done += os.sendfile(own, number, done, size - done) or size
        os.ftruncate(own, size)
        fcntl.fcntl(own, fcntl.F_SETFL, flags & os.O_APPEND)
    os.lseek(own, os.lseek(number, 0, os.SEEK_CUR), os.SEEK_SET)
    return own


def _streams(libc: ctypes.CDLL, printed: int) -> None:
    """Have what is printed from now on, and nothing that waits to be written, go to ``printed``."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
    libc.fflush(None)
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with suppress(*USER_ERRORS):  # it may be of the program's own making
            stream.flush()  # type: ignore[union-attr]
    for number in (1, 2):
        os.dup2(printed, number)
    os.close(printed)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", "backslashreplace")
        for number in (1, 2)
    )
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)


# -- memory --------------------------------------------------------------------------------------


def _shared() -> Iterator[tuple[int, int]]:
    """Yield (address, bytes) of all memory that others would see written; not that of devices."""
    with open(MAPS) as maps:
        lines = maps.read().splitlines()
    for line in lines:
        span, rights, *_ = line.split(maxsplit=2)
        if re.fullmatch("rw.s", rights) and not DEVICE.search(line):
            first, last = (int(each, 16) for each in span.split("-"))
            yield first, last - first


def _memory(libc: ctypes.CDLL) -> None:
    """Give the copy memory of its own for what is shared; what is too large it may only read."""
    libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
    size, address, number = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int
    libc.mmap.argtypes = [address, size, number, number, number, ctypes.c_long]
    libc.mremap.argtypes = [address, size, size, number, address]
    libc.mprotect.argtypes = [address, size, number]
    left = LIMIT
    memory = os.open(MEMORY, os.O_RDONLY)
    for first, count in _shared():
        left -= count
        if left < 0 or not _copied(libc, memory, first, count):
            libc.mprotect(first, count, READ)
    os.close(memory)


def _copied(libc: ctypes.CDLL, memory: int, first: int, count: int) -> bool:
    own = libc.mmap(None, count, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0)
    if own == FAILED:
        return False
    try:
        os.preadv(memory, [(ctypes.c_char * count).from_address(own)], first)
    except OSError:  # a file that is shorter than its mapping by now
        return False
    return bool(libc.mremap(own, count, count, MOVE_TO, first) != FAILED)
