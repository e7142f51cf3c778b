"""A debuggee without torch: speaks the protocol with hand-made records, for tests of the faces.

Anything stepped, and any script, has three ops to stop at. ``crash()`` in typed code kills it.
"""

import json
import os
import signal
import socket
import sys
import time
from typing import Any

from gradrepl import conditions, model, protocol
from gradrepl.link import BlockingLink

OPS = ("linear", "relu", "cross_entropy")


def tensor(name: str, *shape: int) -> model.TensorInfo:
    stats = model.Stats(norm=1.5, min=-1.0, max=float("inf"), mean=0.25, nans=0, infs=1, zeros=3)
    return model.TensorInfo(
        name=name, shape=shape, dtype="float32", device="cpu", nbytes=4, requires_grad=True,
        is_leaf=False, grad_fn="MulBackward0", version=0, stats=stats,
    )  # fmt: skip


class Fake:
    def __init__(self) -> None:
        about = json.loads(os.environ.pop("GRADREPL_DEBUGGEE"))
        self.link = BlockingLink(socket.socket(fileno=about["link"]))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self.names: dict[str, Any] = {"crash": lambda: os.kill(os.getpid(), signal.SIGKILL)}
        self.names |= {"sleep": time.sleep, "talk": self, "reads": about["stdin"]}
        self.breakpoints: dict[int, model.BreakpointInfo] = {}
        self.shown: list[str] = []
        self.depth = 0

    def tell(self, record: model.Record) -> None:
        self.link.send(protocol.Tell(record=record))

    def note(self, message: str) -> None:
        self.tell(model.Notice(message=message))

    def park(self, state: str) -> protocol.Request | None:
        """Wait and serve; return the request that ends the wait."""
        self.link.send(protocol.Prompt(state=state, depth=self.depth))
        while (message := self.link.receive()) is not None:
            request = message.request
            if isinstance(request, (protocol.Resume, protocol.Abort)):
                self.link.send(protocol.Answer(id=message.id))
                return request
            if isinstance(request, protocol.Quit):
                self.link.close()
                sys.exit(0)
            try:
                record = self.answer(request)
            except BaseException as error:
                if isinstance(error, SystemExit):
                    raise
                message_text = f"{type(error).__name__}: {error}"
                record = model.Error(message=message_text, kind=type(error).__name__)
            self.link.send(protocol.Answer(id=message.id, record=record))
            if isinstance(request, protocol.RUNS):
                self.link.send(protocol.Prompt(state=state, depth=self.depth))
        sys.exit(0)

    def answer(self, request: Any) -> model.Record | None:
        match request:
            case protocol.Run(target=target, args=args):
                self.names["argv"] = [target, *args]
                self.steps(target)
                return model.Ended(code=3, script=target)
            case protocol.Execute(source=source, stepped=stepped):
                if stepped:
                    self.steps(source)
                return self.execute(source)
            case protocol.Bound(word=word):
                known = word in self.names
                return model.Value(text=word, kind="str") if known else None
            case protocol.Complete(text=text):
                return model.Completions(words=tuple(n for n in self.names if n.startswith(text)))
            case protocol.Print(expression=expression) | protocol.Inspect(expression=expression):
                value = eval(expression, self.names)
                return model.Value(text=repr(value), expression=expression)
            case protocol.Display(expression=expression):
                self.shown.append(expression)
                return None
        return self.answer_breakpoint(request)

    def answer_breakpoint(self, request: Any) -> model.Record | None:
        match request:
            case protocol.SetBreakpoint(text=text, temporary=temporary):
                at = len(self.breakpoints) + 1
                self.breakpoints[at] = model.BreakpointInfo(id=at, text=text, temporary=temporary)
                return self.breakpoints[at]
            case protocol.ChangeBreakpoint(id=at, action="commands", commands=commands):
                info = self.breakpoints[at]
                self.breakpoints[at] = model.BreakpointInfo(
                    id=at, text=info.text, commands=commands
                )
                return self.breakpoints[at]
            case protocol.ChangeBreakpoint(id=at, action="clear"):
                self.breakpoints.pop(at, None)
                return model.Notice(message=f"cleared {at}")
            case protocol.ListBreakpoints():
                return model.Breakpoints(rows=tuple(self.breakpoints.values()))
        return model.Notice(message=type(request).__name__)

    def steps(self, name: str) -> None:
        """Stop at each op; a breakpoint stops where its text ends with the op's name."""
        self.depth += 1
        free = False
        for number, op in enumerate(OPS, 1):
            hit = tuple(i for i, b in self.breakpoints.items() if b.text.endswith(op))
            if free and not hit:
                continue
            self.tell(self.stop(number, op, hit))
            request = self.park("forward")
            if isinstance(request, protocol.Abort):
                break
            free = isinstance(request.verb, conditions.Continue)
        self.depth -= 1

    def stop(self, number: int, op: str, hit: tuple[int, ...]) -> model.Stop:
        site = model.Site(file="/x/train.py", line=26 + number, function="f", text=f"h = {op}(x)")
        return model.Stop(
            phase="forward", reason="breakpoint" if hit else "step", site=site, breakpoints=hit,
            op=model.Op(id=number, name=op, site=site, outputs=(tensor("h", 64, 10),)),
            position=number, depth=self.depth,
        )  # fmt: skip

    def execute(self, source: str) -> model.Record | None:
        try:
            code = compile(source, "<typed>", "eval")
        except SyntaxError:
            exec(compile(source, "<typed>", "exec"), self.names)
            return None
        value = eval(code, self.names)
        return None if value is None else model.Value(text=repr(value), kind=type(value).__name__)


if __name__ == "__main__":
    fake = Fake()
    fake.link.send(protocol.Ready(torch="2.99", device="cpu"))
    fake.park("idle")
