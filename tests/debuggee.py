"""A face in thirty lines, for tests: it talks to a real debuggee, one request at a time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gradrepl import conditions as c
from gradrepl import model, protocol
from gradrepl.conditions import parse
from gradrepl.launch import Options, large_stack, thread_stack
from gradrepl.link import BlockingLink

ROOT = Path(__file__).parent.parent
SECONDS = 60
"""How long a debuggee may be silent before a test takes it for dead."""
EMPTY = """\
[globals().pop(_n) for _n in list(globals()) if not _n.startswith("__")]
import torch
from torch import nn
from torch.nn import functional as F
torch.manual_seed(0) and None
import warnings
warnings.resetwarnings()
warnings.showwarning = warnings._showwarning_orig
del warnings
"""
CHILDREN = "[each.pid for each in __import__('multiprocessing').active_children()]"


class Debuggee:
    """A debuggee process and what it told."""

    def __init__(self, link: BlockingLink, process: subprocess.Popen[str]) -> None:
        self.link = link
        self.process = process
        self.told: list[Any] = []
        """Every record that came, in order."""
        self.prompt: protocol.Prompt | None = None
        self.torch: protocol.Ready | None = None
        self._last = 0

    def until_prompt(self) -> list[Any]:
        """Collect records until the debuggee waits; at its end, until the end."""
        found: list[Any] = []
        self.prompt = None
        while (message := self.link.receive()) is not None:
            match message:
                case protocol.Tell(record=record) | protocol.Answer(record=record):
                    if record is not None:
                        found.append(record)
                case protocol.Ready():
                    self.torch = message
                case protocol.Prompt():
                    self.prompt = message
                    break
        self.told += found
        return [each for each in found if not isinstance(each, model.Cost)]

    def send(self, request: protocol.Request) -> int:
        """Send a request without waiting for anything."""
        self._last += 1
        self.link.send(protocol.Ask(id=self._last, request=request))
        return self._last

    def run(self, request: protocol.Request) -> list[Any]:
        """Send a request that lets code run; return the records until the next prompt."""
        self.send(request)
        return self.until_prompt()

    def look(self, request: protocol.Request) -> Any:
        """Send a request that only looks; return its answer."""
        number = self.send(request)
        while (message := self.link.receive()) is not None:
            if isinstance(message, protocol.Answer) and message.id == number:
                return message.record
            if isinstance(message, protocol.Ready):
                self.torch = message
        return None

    # -- words ---------------------------------------------------------------------------------

    def type(self, source: str, *, stepped: bool = False) -> Any:
        """Type Python; return the last record, or None."""
        return _last(self.run(protocol.Execute(source=source, stepped=stepped)))

    def backward(self, expression: str) -> Any:
        """``:bw EXPR``."""
        return _last(self.run(protocol.Backward(expression=expression)))

    def go(self, verb: c.Verb) -> Any:
        """Resume; return the last record."""
        return _last(self.run(protocol.Resume(verb=verb)))

    def step(self) -> Any:
        """``s``."""
        return self.go(c.Step())

    def until(self, text: str) -> Any:
        """``until CONDITION``."""
        return self.go(c.UntilCondition(parse(text)))

    def cont(self) -> list[Any]:
        """``c``: all that came until the next prompt."""
        return self.run(protocol.Resume(verb=c.Continue()))

    def break_at(self, text: str) -> Any:
        """``b CONDITION``."""
        return self.look(protocol.SetBreakpoint(condition=parse(text), text=text))

    def stops(self) -> list[model.Stop]:
        """Every stop so far."""
        return [record for record in self.told if isinstance(record, model.Stop)]

    def load(self, path: str | Path, *args: str) -> Any:
        """Run a script up to its first op."""
        return _last(self.run(protocol.Run(target=str(path), args=args)))

    def step_through(self, verb: Callable[[], c.Verb] = c.Step) -> list[model.Stop]:
        """Resume with ``verb`` at every stop, to the end; return the stops."""
        while self.prompt is not None and self.prompt.state != "idle":
            self.go(verb())
        return self.stops()

    def walk(self, source: str, verb: Callable[[], c.Verb] = c.Step) -> list[model.Stop]:
        """Type ``source``, stopped at its first event, then ``verb`` to its end; its stops."""
        before = len(self.told)
        self.type(source, stepped=True)
        self.step_through(verb)
        return [record for record in self.told[before:] if isinstance(record, model.Stop)]

    def value(self, expression: str, *, full: bool = False) -> str:
        """``p EXPR`` (``pp`` with ``full``): its text."""
        record = self.look(protocol.Print(expression=expression, full=full))
        return record.text if isinstance(record, model.Value) else record.message

    def reset(self) -> bool:
        """Back to an empty name space at the idle prompt; False when that cannot be had."""
        if self.prompt is None or self.prompt.state != "idle" or self.process.poll() is not None:
            return False
        self.look(protocol.ChangeBreakpoint(id=0, action="clear"))
        self.look(protocol.Display(off=True))
        self.look(protocol.WatchHealth(off=True))
        if self.value("'torch' in __import__('sys').modules") == "True":
            self.look(protocol.WatchLoaders(off=True))
            self.look(protocol.RecordPasses(off=True))
        last = self.send(protocol.Execute(source=EMPTY))
        while (message := self.link.receive()) is not None:
            if isinstance(message, protocol.Answer) and message.id == last:
                self.until_prompt()
                left = self._left()
                self.told.clear()
                return not left
        return False

    def _left(self) -> list[int]:
        """Kill and return what it has left of processes: a worker that hangs holds up what comes.

        Its loader waits for it where the garbage collector finds it: in the middle of another test.
        """
        found: list[int] = json.loads(self.value(CHILDREN))
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    def quit(self) -> int:
        """Leave; return the exit status."""
        if self.prompt is not None:
            self.send(protocol.Quit())
        while self.link.receive() is not None:
            pass
        return self.process.wait(30)


def _last(found: list[Any]) -> Any:
    return found[-1] if found else None


def _begin(about: dict[str, Any], cwd: Path | None, streams: Any) -> subprocess.Popen[str]:
    with large_stack():
        return subprocess.Popen(
            [sys.executable, *Options().engine], text=True, cwd=cwd,
            env={**os.environ, "GRADREPL_DEBUGGEE": json.dumps(about)}, pass_fds=[about["link"]],
            **{"stdin": subprocess.DEVNULL, **streams},
        )  # fmt: skip


@contextmanager
def debuggee(
    *, warm: bool = True, reads: str = "tty", cwd: Path | None = None,
    start: Callable[[dict[str, Any]], Any] | None = None, **streams: Any,
) -> Iterator[Debuggee]:  # fmt: skip
    """Start a debuggee and stop it at the end, whatever happened.

    ``start`` begins another process than a new one, given what a debuggee must know.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        about = {
            "link": theirs.fileno(), "stdin": reads, "keep": [], "fallback": [], "guard": -1,
            "warm": warm, "stack": thread_stack(),
        }  # fmt: skip
        process = start(about) if start is not None else _begin(about, cwd, streams)
    ours.settimeout(SECONDS)
    link = BlockingLink(ours)
    found = Debuggee(link, process)
    found.until_prompt()
    try:
        yield found
    finally:
        link.close()
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
