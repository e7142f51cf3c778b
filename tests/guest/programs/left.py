"""What is in this process: what must be the same whether or not gradrepl was called in it."""

import builtins
import json
import os
import signal
import sys
import termios
import threading
import time


def mode():
    """Return the terminal's mode, or None where there is no terminal."""
    try:
        tty = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None
    try:
        found = termios.tcgetattr(tty)
    finally:
        os.close(tty)
    return [str(each) for each in found]


def left(**more):
    """Return it as plain data."""
    import torch

    return {
        "mode": mode(),
        "threads": _threads(),
        "descriptors": {n: os.readlink(f"/proc/self/fd/{n}") for n in _descriptors()},
        "interrupt": str(signal.getsignal(signal.SIGINT)),
        "finders": [getattr(each, "__name__", type(each).__name__) for each in sys.meta_path],
        "trace": str(sys.gettrace()),
        "modes": torch._C._len_torch_function_stack(),
        "engine": torch.autograd._engine_run_backward.__code__.co_filename[-8:],
        "apply": torch.autograd.Function.apply.__code__.co_filename[-11:],
        "underscore": str(vars(builtins).get("_")),
        "stdin": type(sys.stdin.buffer).__name__ + type(sys.stdin.buffer.raw).__name__,
        "isatty": [sys.stdout.isatty(), sys.stderr.isatty()],
        "random": torch.random.get_rng_state().sum().item(),
        **more,
    }


def _descriptors():
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        if os.path.exists(f"/proc/self/fd/{name}"):
            yield name


def write(path, **more):
    """Write it to a file."""
    with open(path, "w") as file:
        found = left(**more)
        found["descriptors"].pop(str(file.fileno()), None)
        json.dump(found, file)


def _threads():
    """Return the names of the threads; one of a face that has just gone has a moment to end."""
    end = time.monotonic() + 5
    while True:
        found = sorted(each.name for each in threading.enumerate())
        if time.monotonic() > end or not any(name.startswith("gradrepl") for name in found):
            return found
        time.sleep(0.02)
