"""``gradrepl``: from the command line to the client that serves, and to the exit code."""

from __future__ import annotations

import os
import resource
import signal
import sys

from gradrepl import arguments, client
from gradrepl.errors import GradreplError
from gradrepl.launch import check_target, exec_listening


def _open_closed_streams() -> None:
    """Put /dev/null where a standard stream is closed, or a socket of ours would come to be there.

    ``open`` takes the lowest free number.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def main(argv: list[str] | None = None) -> int:
    """Run gradrepl; return its exit code."""
    _open_closed_streams()
    try:
        word, asked = arguments.read(sys.argv[1:] if argv is None else argv)
        if word:
            from gradrepl import subcommands

            return subcommands.run(word, asked)
        options = arguments.options(asked)
        if options.target and not options.module:
            check_target(options.target)
        if options.listens:
            exec_listening(options)
        code = client.run(client.choose(options))
    except GradreplError as error:
        print(f"gradrepl: {error}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return 2
    return code if code >= 0 else die_by(-code)


def die_by(number: int) -> int:
    """End as the script did, so that our caller sees the same signal."""
    sys.stdout.flush()
    sys.stderr.flush()
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))  # the script's own dump is the one to keep
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return 128 + number  # a signal that does not kill
