"""Forks a process for each program of a test, with torch imported: a hundred imports saved.

Its standard input is a socket: it reads a command as JSON, with the end of a link where it is for
a debuggee, and answers with a line on standard output. All of it stands at the top level, so that a
program's frames have only one of ours below them.
"""

import atexit
import gc
import importlib.machinery
import json
import os
import socket
import sys
import threading
from types import ModuleType

import faults
import torch
import torch._dynamo  # noqa: F401  (the optimizers import it)


def without_us(kind, error, traceback):
    """Print an uncaught exception as if its program had been started by itself."""
    sys.__excepthook__(kind, error.with_traceback(traceback.tb_next), traceback.tb_next)


def exit_status(left):
    """Return the exit status that Python makes of a SystemExit."""
    if left.code is None or isinstance(left.code, int):
        return int(left.code or 0) & 0xFF
    print(left.code, file=sys.stderr)
    return 1


def leave(status):
    """Leave as Python does, but for taking apart its modules: that would copy all of torch."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def streams(ask):
    """Be connected as the process that was asked for."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
        opened = os.open(ask[name], flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    commands.close()
    answers.close()


def main_module(path):
    """Return the module that Python would have made of a script, and its code."""
    module = ModuleType("__main__")
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    module.__dict__.update(
        __file__=path, __cached__=None, __spec__=None, __package__=None, __annotations__={},
        __loader__=importlib.machinery.SourceFileLoader("__main__", path),
        __builtins__=sys.modules["builtins"],
    )  # fmt: skip
    sys.modules["__main__"] = module
    return module, code


gc.freeze()
commands = socket.socket(fileno=os.dup(0))
answers = os.fdopen(os.dup(1), "w")
while (received := socket.recv_fds(commands, 1 << 16, 1))[0]:
    line, descriptors, _, _ = received
    ask = json.loads(line)
    if "child" in ask:
        flags = 0 if ask["wait"] else os.WNOHANG
        pid, status = os.waitpid(ask["child"], flags)
        answer = os.waitstatus_to_exitcode(status) if pid else None
    elif (answer := os.fork()) == 0:
        streams(ask)
        os.environ.update(ask["environment"])
        faults.install()
        del sys.path[0]
        if ask["argv"]:
            sys.argv[:] = ask["argv"]
            sys.path.insert(0, os.path.dirname(os.path.realpath(sys.argv[0])))
            sys.excepthook = without_us
            program, code = main_module(sys.argv[0])
            try:
                exec(code, program.__dict__)
            except SystemExit as left:
                leave(exit_status(left))
            except BaseException:
                sys.excepthook(*sys.exc_info())
                leave(1)
            leave(0)
        from gradrepl.engine.__main__ import main

        about = {**ask["about"], "link": descriptors[0]}
        os.environ["GRADREPL_DEBUGGEE"] = json.dumps(about)
        leave(main())
    for descriptor in descriptors:
        os.close(descriptor)
    print(json.dumps(answer), file=answers, flush=True)
