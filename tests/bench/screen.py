"""The screen in a terminal of ours: its first paint, and from a key to the repainted screen.

``screen.py paint``, ``screen.py step NODES``, ``screen.py list ROWS``. What the program writes is
kept with the time it came, and drawn by an emulator afterwards, so that drawing disturbs nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import signal
import statistics
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from table import ROOT, Row, Section, in_child, load

COLUMNS, ROWS = 120, 40
KEYS = 40
"""Keys that are timed."""
SIZES = (10, 1_000_000)
MILLI = 1e3
ESCAPE = "\x1b"
BLINK = 300
"""Bytes that a blinking cursor writes, at most."""
TYPING = 0.1
"""Seconds that the fastest fingers need for the first entry."""
QUIET = 0.25
"""Seconds without output after which the screen is taken to be done."""
SCRIPT = """\
import torch
x = torch.ones((), requires_grad=True)
for _ in range({nodes} - 1):
    x = x * 1.0
x.backward()
"""


class Terminal:
    """A pseudo-terminal with gradrepl in it, and what it wrote, when."""

    def __init__(self, *arguments: str) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        self.started = time.perf_counter()
        self.pid, self.descriptor = pty.fork()
        if not self.pid:
            termios.tcsetwinsize(0, (ROWS, COLUMNS))
            os.execv(sys.executable, [sys.executable, "-m", "gradrepl", *arguments])

    def type(self, keys: str) -> float:
        """Press keys; return the time."""
        now = time.perf_counter()
        os.write(self.descriptor, keys.encode())
        return now

    def read(self, until: Callable[[bytes], bool], seconds: float) -> bool:
        """Read until ``until`` holds for what came since now; False if it never did."""
        end, since = time.perf_counter() + seconds, b""
        while (left := end - time.perf_counter()) > 0:
            if not select.select([self.descriptor], [], [], left)[0]:
                return False
            try:
                data = os.read(self.descriptor, 1 << 16)
            except OSError:
                return False
            self.pieces.append((time.perf_counter(), data))
            since += data
            if until(since):
                return True
        return False

    def rest(self, seconds: float = QUIET) -> None:
        """Read until nothing but the cursor has moved for that long."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if self.read(lambda _: len(self.pieces[-1][1]) > BLINK, left):
                end = time.perf_counter() + seconds

    def close(self) -> None:
        """Kill it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    """Run gradrepl in a terminal, with its history in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"XDG_STATE_HOME": folder, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
        os.environ |= {"LANG": "C.UTF-8"}
        found = Terminal(*arguments)
        try:
            yield found
        finally:
            found.close()


class Replay:
    """Draws what a terminal got, piece by piece."""

    def __init__(self, pieces: list[tuple[float, bytes]]) -> None:
        import pyte

        self._pieces = iter(pieces)
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)

    def when(self, shows: Callable[[list[str]], bool], since: float = 0.0) -> float:
        """Return the time of the first piece from ``since`` on after which the screen ``shows``."""
        for came, data in self._pieces:
            self._stream.feed(data)
            if came >= since and shows(self._screen.display):
                return came
        raise LookupError("never shown; the screen at its end:\n" + "\n".join(self._screen.display))


def paint() -> dict[str, float]:
    """Return the seconds to the first full frame, and to the answer to ``1+1`` typed after it."""
    with terminal() as found:
        assert found.read(lambda data: b"palette" in data, 20)
        found.read(lambda data: False, TYPING)
        asked = found.type("1+1\r")
        found.rest(1.5)
        replay = Replay(found.pieces)
        frame = replay.when(lambda lines: "palette" in lines[-1] and "gradrepl" in lines[0])
        answer = replay.when(lambda lines: any(line[1:].strip(" │") == "2" for line in lines))
    return {
        "frame": frame - found.started, "answer": answer - found.started, "took": answer - asked,
    }  # fmt: skip


def step(nodes: int) -> dict[str, float]:
    """Return the seconds from ``s`` to a screen that stands at the next node, and to its rest."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(SCRIPT.format(nodes=nodes))
        file.flush()
        with terminal(file.name) as found:
            assert found.read(lambda data: b"PAUSED" in data, 60)
            found.rest()
            found.type(":until node Mul*\r")
            assert found.read(lambda data: b"[2 Bwd]" in data, 120)
            found.rest(1.0)
            found.type(ESCAPE)
            found.rest(0.5)
            pressed = []
            for _ in range(min(KEYS, nodes - 2)):
                pressed.append(found.type("s"))
                found.rest()
    return _latencies(found.pieces, pressed)


def _latencies(pieces: list[tuple[float, bytes]], pressed: list[float]) -> dict[str, float]:
    replay = Replay(pieces)
    shown, settled = [], []
    for number, (key, following) in enumerate(zip(pressed, [*pressed[1:], 1e12], strict=True), 2):
        shown.append(replay.when(_stands_at(number), key) - key)
        settled.append(max(t for t, data in pieces if t < following and len(data) > BLINK) - key)
    return {"shown": _p95(shown), "settled": _p95(settled), "median": statistics.median(shown)}


def _stands_at(number: int) -> Callable[[list[str]], bool]:
    def shows(lines: list[str]) -> bool:
        marked = (line.partition("●")[2][:12] for line in lines)
        return any(f" {number} " in part for part in marked)

    return shows


def _p95(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(len(values) * 0.95))]


def rows(total: int) -> dict[str, float]:
    """Return the seconds to open a list of ``total`` rows, and to draw one frame of it."""
    sys.path.insert(0, str(ROOT / "tests" / "tui"))
    from hand_made import FakeConversation

    from gradrepl.model import NodeRow
    from gradrepl.tui.app import GradreplApp

    window = [
        NodeRow(
            id=i + 1, name="MulBackward0", label="", state="predicted", norm=None, shape=(),
            lanes="○",
        )
        for i in range(150)
    ]  # fmt: skip

    async def run() -> dict[str, float]:
        app = GradreplApp(FakeConversation)
        async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
            app.main.open("bwd")
            await pilot.pause(0.2)
            panel = app.main.pages["bwd"].nodes
            painted = asyncio.Event()
            start = time.perf_counter()
            panel.supply(window, 0, total)
            panel.call_after_refresh(painted.set)
            await painted.wait()
            opened = time.perf_counter()
            frames = []
            for _ in range(20):
                began = time.perf_counter()
                for y in range(panel.size.height):
                    panel.render_line(y)
                frames.append(time.perf_counter() - began)
        return {"open": opened - start, "frame": statistics.median(frames)}

    return asyncio.run(run())


def measure() -> Section:
    """Measure all of it."""
    painted = [in_child("screen", "paint") for _ in range(5)]
    first = {key: statistics.median(each[key] for each in painted) for key in painted[0]}
    steps = [in_child("screen", "step", str(size)) for size in SIZES]
    lists = in_child("screen", "list", str(SIZES[1]))

    def times(what: str, values: list[float | None], goal: float | None, others: str = "") -> Row:
        goals = (None if values[0] is None else goal, goal)
        scaled = tuple(None if value is None else MILLI * value for value in values)
        return Row(what, scaled, goals, "ms", others=others, note=load())

    others = "ipython 290, ptpython 327, Textual + torch 1,900"
    table = [
        times("first full frame", [None, first["frame"]], 300.0, others),
        times("'1+1' typed then is answered, from the start", [None, first["answer"]], None),
        times("key to a screen at the next node, p95", [s["shown"] for s in steps], 30.0),
        times("  the same, p50", [s["median"] for s in steps], None),
        times("key to the last change of any panel, p95", [s["settled"] for s in steps], None),
        times("a list of 10^6 rows opens", [None, lists["open"]], 30.0, "Textual Tree 29 s"),
        times("one frame of it", [None, lists["frame"]], 1.0),
    ]
    return Section("Screen (120x40)", ("10 nodes", "10^6 nodes"), tuple(table))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["paint"]:
            print(json.dumps(paint()))
        case ["step", nodes]:
            print(json.dumps(step(int(nodes))))
        case ["list", total]:
            print(json.dumps(rows(int(total))))
