"""The user's script as ``__main__``, in the main thread, as Python itself would run it.

With its standard streams: input that is shared with a client, output that outlives one.
"""

from __future__ import annotations

import ctypes
import importlib.machinery
import io
import json
import os
import runpy
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from gradrepl import conditions as c
from gradrepl.engine import explain
from gradrepl.engine.boundary import Part, Quitting, handles_signal, steadily
from gradrepl.engine.code import evaluate, frames
from gradrepl.engine.code.patches import hidden, hide_running, whole_stack
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import Aborted, TargetError
from gradrepl.model import Ended, Finding, Stop, sited

if TYPE_CHECKING:
    from gradrepl.engine.session import Session


def begin(variable: str) -> dict[str, Any]:
    """Be as bare as a Python that has just started; return what was asked of us, as JSON.

    The ``variable`` of the environment that says it is removed.
    """
    bottom = sys._getframe(1).f_code
    frames.mark_ours(bottom)
    if bottom.co_filename == "<string>":  # what Python was started with
        hide_running(bottom)
    asked: dict[str, Any] = json.loads(os.environ.pop(variable))
    _thread_stacks(asked.get("stack", 0))
    sys.path.insert(0, "")
    sys.argv[:] = [""]
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    return asked


def _thread_stacks(nbytes: int) -> None:
    """Give new threads the stack that they have alone: the large one is the main thread's.

    glibc takes the size for all threads from the limit that was there as the process started. The
    limit stays, as Linux asks it whenever the main thread's stack grows.
    """
    libc = ctypes.CDLL(None)
    if not nbytes or not hasattr(libc, "pthread_setattr_default_np"):
        return
    attributes = ctypes.create_string_buffer(256)
    if libc.pthread_getattr_default_np(attributes) == 0:
        if libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(nbytes)) == 0:
            libc.pthread_setattr_default_np(attributes)
        libc.pthread_attr_destroy(attributes)


@hidden
def run(
    session: Session,
    target: str,
    args: tuple[str, ...],
    *,
    module: bool,
    stopped: bool = True,
    raises: bool = True,
) -> Ended:
    """Run it, ``stopped`` before its first op and where it ``raises``; return how it ended.

    Raises:
        TargetError: it cannot be found or compiled.
    """
    main = ModuleType("__main__")
    main.__dict__.update(__annotations__={})
    code = _module(main, target, args) if module else _script(main, target, args)
    sys.modules["__main__"] = main
    session.space = main.__dict__
    session.script = target
    session.running_script = True
    error: BaseException | None = None
    try:
        with session.stepper.code(typed=False), whole_stack():
            if stopped:
                session.stepper.go(c.First())
            exec(code, main.__dict__)
    except Quitting:
        raise
    except BaseException as problem:  # whatever the script let through
        error = problem
    finally:
        session.running_script = False
    status = steadily(_report, error, [])
    session.exit_code = status
    if isinstance(error, (SystemExit, Aborted)):
        error = None if isinstance(error, SystemExit) else error
    if not isinstance(error, Aborted):
        _over(session, error, raises)
    message = steadily(evaluate.error, error).message if error is not None else ""
    return Ended(code=status, script=target, exception=message)


def _script(main: ModuleType, target: str, args: tuple[str, ...]) -> Any:
    path = os.path.join(_folder(), target)
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
    except OSError as error:
        raise TargetError(
            f"'{target}' cannot be read: {error.strerror}.", "Check the path."
        ) from None
    except (SyntaxError, ValueError) as error:
        raise TargetError(
            f"'{target}' is not Python: {error}.", "Correct it and load again."
        ) from None
    main.__dict__.update(
        __file__=path,
        __cached__=None,
        __spec__=None,
        __package__=None,
        __loader__=importlib.machinery.SourceFileLoader("__main__", path),
        __builtins__=sys.modules["builtins"],
    )
    sys.argv[:] = [target, *args]
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    return code


def _folder() -> str:
    """Return the working folder; '' where it was deleted, as Python itself has it then."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _module(main: ModuleType, target: str, args: tuple[str, ...]) -> Any:
    sys.path[0] = _folder()
    try:
        _, spec, code = runpy._get_module_details(target)  # type: ignore[attr-defined]
    except ImportError as error:
        raise TargetError(
            f"the module '{target}' cannot be run: {error}.", "Is it on sys.path?"
        ) from None
    main.__dict__.update(
        __file__=spec.origin,
        __cached__=spec.cached,
        __spec__=spec,
        __package__=spec.parent,
        __loader__=spec.loader,
        __builtins__=sys.modules["builtins"],
    )
    sys.argv[:] = [spec.origin, *args]
    return code


def exit_status(error: SystemExit) -> int:
    """Return the exit status of a SystemExit, printing its message as Python does."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _strip(error: BaseException, seen: set[int]) -> None:
    """Take our frames out of an exception's traceback, and of those that it came from."""
    if id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = evaluate.users(error.__traceback__)
    for other in (error.__cause__, error.__context__):
        if other is not None:
            _strip(other, seen)


def _report(error: BaseException | None, done: list[int]) -> int:
    """Print the traceback as Python would have, through the script's own excepthook, once.

    Returns the exit status, which is ``done`` from when it is printed.
    """
    flush()
    if done or error is None:
        return done[0] if done else 0
    if isinstance(error, (SystemExit, Aborted)):
        done.append(exit_status(error) if isinstance(error, SystemExit) else 1)
    else:
        _print(error, 130 if isinstance(error, KeyboardInterrupt) else 1, done)
    flush()
    return done[0]


def _print(error: BaseException, status: int, done: list[int]) -> None:
    _strip(error, set())
    hook, given = sys.excepthook, (type(error), error, error.__traceback__)
    try:
        done += (status,)  # Python handles no signal between this and the call
        hook(*given)
    except SystemExit as left:
        done[0] = exit_status(left)
    except Exception as problem:  # the user's own excepthook
        if not done:
            raise
        inner = problem.__traceback__.tb_next  # type: ignore[union-attr]
        if inner is None or not handles_signal(inner.tb_frame):  # else it came behind the hook
            sys.__excepthook__(*given)


def _over(session: Session, error: BaseException | None, stopped: bool) -> None:
    """Tell who looks on that the script has ended, and stop where it raised."""
    place = raised_at(error.__traceback__) if error is not None else None
    for observer in session.stepper.observers:
        observer.over(error, place)
    if error is not None and stopped:
        post_mortem(session, error, error.__traceback__)


def raised_at(tb: TracebackType | None) -> Place | None:
    """Return the user's frames that raised, innermost first; None where none is the user's."""
    users = []
    raised = {}
    while tb is not None:
        if frames.kind(tb.tb_frame.f_code) == frames.USER:
            users.append(tb.tb_frame)
            raised[tb.tb_frame] = tb.tb_lasti, tb.tb_lineno
        tb = tb.tb_next
    users.reverse()
    return Place("exception", users, raised) if users else None


def post_mortem(session: Session, error: BaseException | None, tb: TracebackType | None) -> None:
    """Stop at the user's frame that raised, with its locals to look at."""
    place = raised_at(tb)
    if place is None:
        return
    with session.stop():
        session.tell(steadily(_exception_stop, session, error, place))
        steadily(session.gate.serve, place)
        session.raised = None


def _exception_stop(session: Session, error: BaseException | None, place: Place) -> Stop:
    message, hint = "post_mortem()", ""
    if error is not None:
        message = evaluate.error(error).message
        hint = explain.error_of(error, session, place).hint
        session.raised = Finding(
            rule="exception",
            severity="error",
            message=message.partition("\n")[0],
            sites=sited(raised=place.site(place.frames[0])),
            fix=hint,
        )
    return Stop(
        phase="exception",
        reason=message.partition("\n")[0],
        site=place.site(place.frames[0]),
        exception=message,
        when="after",
        depth=len(session.gate.places),
        watches=session.news(place),
        notes=(hint,) if hint else (),
    )


# -- standard streams -----------------------------------------------------------------------------


class LineInput(io.RawIOBase):
    """Reads descriptor 0 a byte at a time up to a newline: what follows is for somebody else."""

    def __init__(self, before: Callable[[], None]) -> None:
        super().__init__()
        self._before = before
        """Called before each read that may block."""
        self._part = Part("telling that standard input is read")

    def readable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """Return 0, as of the real one."""
        return 0

    def isatty(self) -> bool:
        """Return what descriptor 0 is."""
        return os.isatty(0)

    def readinto(self, buffer: object) -> int:
        """Read at most one line."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        with self._part:
            self._before()
        count = 0
        while count < len(view):
            byte = os.read(0, 1)
            if not byte:
                break
            view[count : count + 1] = byte
            count += 1
            if byte == b"\n":
                break
        return count


def share_input(before: Callable[[], None]) -> None:
    """Make ``sys.stdin`` read no further than it must."""
    old = sys.stdin
    encoding = getattr(old, "encoding", None) or "utf-8"
    errors = getattr(old, "errors", None) or "strict"
    sys.stdin = io.TextIOWrapper(
        io.BufferedReader(LineInput(before), 1 << 16), encoding=encoding, errors=errors
    )


def output_by_lines() -> None:
    """Let piped output come when a line is whole, as a terminal would show it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def fall_back(keep: Sequence[int], fallback: Sequence[int]) -> None:
    """The client is gone: output goes to its terminal; pipes are emptied so that nobody waits."""
    for own, terminal in zip((0, 1, 2), fallback, strict=False):
        with suppress(OSError):  # the script closed it, or the terminal is gone
            os.dup2(terminal, own)
    for descriptor in keep:
        _drain(descriptor)


def say(sentence: str) -> None:
    """Say something where the program says what is wrong: there is no client to tell."""
    with suppress(OSError):
        os.write(2, f"gradrepl: {sentence}\n".encode())


def flush() -> None:
    """Write out what Python's standard streams hold."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or not a file at all
            stream.flush()


def _drain(descriptor: int) -> None:
    try:
        os.set_blocking(descriptor, False)
        while os.read(descriptor, 1 << 16):
            pass
    except OSError:
        pass  # empty, or closed already
