"""The debuggee's hub: the link, the gate, the name space, and what is known about the script."""

from __future__ import annotations

import builtins
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from gradrepl import protocol
from gradrepl.engine.code import evaluate, frames, patches
from gradrepl.engine.code.patches import hidden
from gradrepl.engine.code.torch_import import Watch as TorchWatch
from gradrepl.engine.code.torch_import import device, torch_module
from gradrepl.engine.code.values import USER_ERRORS
from gradrepl.engine.stopping.gate import Gate, Place
from gradrepl.engine.stopping.stepper import Stepper
from gradrepl.errors import LinkError, StateError, UsageError
from gradrepl.model import Error, Finding, Record, Watch

if TYPE_CHECKING:
    from gradrepl.engine.forward.calls import Call
    from gradrepl.engine.forward.recorder import Recorder
    from gradrepl.engine.graph.backward import Pass
    from gradrepl.engine.stopping.events import Event
    from gradrepl.engine.tensor.names import Names


T = TypeVar("T")
Scope = tuple[dict[str, Any], MutableMapping[str, Any]]
"""(globals, locals)"""


Answer = Record | None
Handler = Callable[..., Answer]
F = TypeVar("F", bound=Handler)

HANDLERS: dict[type, Handler] = {}
"""By kind of request."""


def on(kind: type) -> Callable[[F], F]:
    """Make a function the answer to a kind of request.

    It is given (request, session, place), runs in the thread that is parked, and returns a record,
    or None where there is nothing to say.
    """

    def register(handler: F) -> F:
        HANDLERS[kind] = handler
        return handler

    return register


class Link(Protocol):
    """What carries what is told: one client's socket, or all of them."""

    def send(self, message: protocol.Message) -> None:
        """Send, or raise LinkError."""


Answerer = Callable[[Any, "Session", Place], Record | None]
"""Returns the record that answers a request at a place."""


class Session:
    """One debuggee."""

    recorder: Recorder
    """What records ops; there once torch is."""
    current: ClassVar[Session | None] = None
    """The session of ``gradrepl script.py``; None in a process that the user started."""

    def __init__(self, link: Link, answer: Answerer) -> None:
        self.link = link
        self._answer = answer
        self._states: dict[Any, Any] = {}
        self.gate = Gate(self.send, self.answer)
        self.stepper = Stepper(self, self.gate)
        self.space: dict[str, Any] = sys.modules["__main__"].__dict__
        """The name space of the idle prompt: that of ``__main__``."""
        self.shown: dict[str, str | None] = {}
        """Displayed expressions, with their text at the last stop."""
        self.exit_code = 0
        self.script = ""
        """Path of the script that is running or was run."""
        self.running_script = False
        self.raised: Finding | None = None
        """What the script has ended with, while we stand where it raised."""
        self.before_stop: Callable[[], None] = lambda: None
        self.after_stop: Callable[[], None] = lambda: None
        """Called around each stop in the thread that parks, before anything is told of it."""
        self.ready: protocol.Ready | None = None
        """What was told of torch when it came."""
        self.from_command_line = False
        """Did ``gradrepl script.py`` start this process?"""
        self._torch_watch = TorchWatch(self._torch_arrived)
        self._warming: threading.Thread | None = None

    @hidden
    def answer(self, request: Any, place: Place) -> Record | None:
        """Answer a request of the client, or one that another answer asks."""
        return self._answer(request, self, place)

    def state(self, kind: Callable[[Session], T]) -> T:
        """Return what ``kind`` keeps of this session; it is made when first asked for.

        >>> session.state(Journal).passes  # doctest: +SKIP
        """
        state: T | None = self._states.get(kind)
        if state is None:
            state = self._states[kind] = kind(self)
        return state

    # -- talking -----------------------------------------------------------------------------

    def send(self, message: protocol.Message) -> None:
        """Send to the client; when it is gone there is nobody to tell."""
        if not self.gate.detached:
            with suppress(LinkError):  # the link thread sees the same and detaches
                try:
                    self.link.send(message)
                except (TypeError, OverflowError) as error:  # a record with what cannot travel
                    self.link.send(_unsendable(message, error))

    def tell(self, record: Record) -> None:
        """Tell what happened."""
        self.send(protocol.Tell(record=record))  # type: ignore[arg-type]

    def forked(self) -> None:
        """Stop nowhere, and look on at nothing: this is a forked child of the program's."""
        if patches.branching:
            return
        self.gate.detached = True
        self.stepper.drop_observers()
        self.stepper.disarm()

    def leave(self) -> None:
        """The process ends: have nothing in it, while the interpreter takes itself apart."""
        self.rest()
        self.stepper.drop_observers()
        self.stepper.disarm()
        self.stepper.place_recorder()

    def client_gone(self) -> None:
        """Let the user's code run on without us; in the link thread."""
        self.rest()
        self.stepper.disarm()

    def rest(self) -> None:
        """Nothing is armed and nobody looks: listen for nothing either."""
        self._torch_watch.remove()

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Run somebody's code unseen: nothing in it parks, is recorded or has a gradient."""
        with self.gate.masked():
            if not self.stepper.torch_here:
                yield
                return
            from gradrepl.engine.tensor.figures import quiet

            with quiet():
                yield

    @contextmanager
    def stop(self) -> Iterator[None]:
        """Be at a stop: one thread at a time, and with a client to show it to."""
        with self.gate.turn:
            self.before_stop()
            try:
                yield
            finally:
                self.after_stop()

    # -- torch -------------------------------------------------------------------------------

    def watch_for_torch(self) -> None:
        """Hear when torch is imported; now, if it is there."""
        if self.stepper.torch_here:
            return
        if torch_module() is None:
            self._torch_watch.install()
        else:
            self._torch_arrived()

    def _torch_arrived(self) -> None:
        import torch

        try:
            from gradrepl.engine import torch_private
            from gradrepl.engine.code.patches import without_begin
            from gradrepl.engine.forward.recorder import Recorder
            from gradrepl.engine.graph.watcher import Watcher

            for code in without_begin:
                torch_private.skip_code(code)
            self.recorder = Recorder(self.stepper)
            self.stepper.torch_arrived(self.recorder, Watcher(self.stepper))
        except Exception as error:  # ours: it must not reach the program's own import
            self.stepper.torch_here = False
            self.tell(_stranger(torch.__version__, error))
            return
        self.ready = protocol.Ready(torch=str(torch.__version__), device=device())
        self.send(self.ready)

    def warm_up(self) -> None:
        """Import torch in the background: the prompt of an interactive session is there already."""
        self._warming = threading.Thread(target=self._warm, name="gradrepl-import", daemon=True)
        self._warming.start()

    def _warm(self) -> None:
        import torch
        from torch import nn
        from torch.nn import functional

        for name, module in (("torch", torch), ("nn", nn), ("F", functional)):
            self.space.setdefault(name, module)

    def wait_for_torch(self, codes: tuple[CodeType | None, ...] | None = None) -> None:
        """Wait until torch is there, unless typed ``codes`` can do without it."""
        if codes is not None and all(_plain(code, self.space) for code in codes if code):
            return
        if self._warming is None and codes is None and not self.stepper.torch_here:
            import torch  # noqa: F401
        self.warmed()

    def warmed(self) -> None:
        """Wait for an import of torch that has begun in the background."""
        if self._warming is not None:
            self._warming.join()
            self._warming = None
            self.stepper.deliver_interrupt()

    # -- evaluating --------------------------------------------------------------------------

    def names(self, frame: FrameType | None) -> Names:
        """Return the names in scope of ``frame``."""
        from gradrepl.engine.tensor import names

        return names.Names(names.namespaces(frame, self.space))

    def evaluate(self, expression: str, place: Place) -> Any:
        """Return the value of an expression at ``place``; raises what it raises."""
        codes = evaluate.compiled(expression)
        if place.state == "idle":
            self.wait_for_torch(codes)
        with self.grad_as_typed(place), self.scope(place) as (space, local):
            return evaluate.run(codes, space, local)

    def tensor(self, expression: str, place: Place) -> Any:
        """Return the tensor that ``expression`` is at ``place``.

        Raises:
            UsageError: it is something else.
        """
        value = self.evaluate(expression, place)
        torch = torch_module()
        if torch is None or not isinstance(value, torch.Tensor):
            raise UsageError(
                f"'{expression}' is a {type(value).__name__}, not a tensor.",
                "Name a tensor; ':names' lists what is in scope.",
            )
        return value

    def scope(self, place: Place) -> AbstractContextManager[Scope]:
        """Return the (globals, locals) that typed code has at ``place``."""
        return evaluate.scope(place.frame, self.space, place.extra)

    def grad_as_typed(self, place: Place) -> AbstractContextManager[Any]:
        """Typed code sees the user's grad mode, but inside the engine's hooks, where it is off."""
        torch = torch_module()
        if torch is None or place.state != "backward":
            return nullcontext()
        on: AbstractContextManager[Any] = torch.enable_grad()
        return on

    def keep(self, value: Any) -> None:
        """Remember the last result as ``_``, as Python's own prompt does."""
        vars(builtins)["_"] = value

    def truth(self, expression: str, event: Event) -> bool:
        """Return the truth of a breakpoint's condition; one that raises is true, as in pdb."""
        place = Place("forward", frames.user_frames(event.frame), extras=event.extra_quietly)
        with self.gate.masked():
            try:
                return bool(self.evaluate(expression, place))
            except USER_ERRORS:  # the user's expression
                return True
            finally:
                frames.release(place.frames)

    def watches(self, place: Place) -> tuple[Watch, ...]:
        """Evaluate the displayed expressions; those that changed say what they were."""
        watches = []
        for expression, before in list(self.shown.items()):
            with self.gate.masked():
                try:
                    text = evaluate.text_of(self.evaluate(expression, place))[:200]
                except USER_ERRORS as problem:  # the user's expression
                    text = f"** {type(problem).__name__}: {problem} **"[:200]
            self.shown[expression] = text
            was = before if before is not None and before != text else None
            watches.append(Watch(expression, text, was))
        return tuple(watches)

    def news(self, place: Place) -> tuple[Watch, ...]:
        """Return what a stop tells besides where it is: the displays, and what others look for."""
        observed = (line for each in self.stepper.observers for line in each.news(place))
        return (*self.watches(place), *observed)

    # -- what was recorded -------------------------------------------------------------------

    def ops(self, place: Place) -> list[Call]:
        """Return the recorded ops, the running one included."""
        if not self.stepper.torch_here:
            return []
        recorder = self.recorder
        running = [call for call in recorder.current if call not in recorder.ops[-8:]]
        return recorder.ops + running if running else recorder.ops

    def backward_here(self, place: Place) -> Pass:
        """Return the backward that is paused.

        Raises:
            StateError: there is none.
        """
        backward: Any = getattr(place.event, "backward", None)
        if backward is None and self.stepper.passes:
            backward = self.stepper.passes[-1]
        if backward is None:
            raise StateError(
                "no backward is paused here.", "':bw EXPR' steps one; so does 's' at its line."
            )
        paused: Pass = backward
        return paused

    def line_notes(self, file: str) -> dict[int, str]:
        """Return for lines of ``file`` the ops that ran there last, with the shapes they made."""
        if not self.stepper.torch_here:
            return {}
        notes: dict[int, str] = {}
        for call in self.recorder.ops[-200:]:
            if call.site is not None and call.site.file == file and call.shape is not None:
                notes[call.site.line] = f"{call.name} {call.shape}"
        return notes


def _stranger(version: str, error: Exception) -> Error:
    """Return what is told where we cannot work with this torch."""
    return StateError(
        f"gradrepl cannot work with torch {version} ({type(error).__name__}: {error}): the program"
        " continues, and nothing of torch is seen.",
        "'gradrepl doctor' tells what this torch lacks; please report it with its output.",
    ).record()


def _unsendable(message: protocol.Message, error: Exception) -> protocol.Message:
    record = Error(message=f"the answer cannot be sent: {error}.", hint="Ask for a part of it.")
    if isinstance(message, protocol.Answer):
        return protocol.Answer(id=message.id, record=record)
    return protocol.Tell(record=record)


def _plain(code: CodeType, space: dict[str, Any]) -> bool:
    """Can this code run before torch is there? Only if it names builtins and known names."""
    known = vars(builtins).keys() | space.keys()
    inner = (const for const in code.co_consts if isinstance(const, CodeType))
    names = {name for name in code.co_names if name not in code.co_varnames}
    return not (names - known) and all(_plain(each, space) for each in inner)
