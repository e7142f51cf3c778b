"""``gradrepl``: from the command line to the client that serves, and to the exit code.

One parser says what may stand there; help, errors and completion are made of it. Our options come
first. Everything after the script or ``-m MODULE`` belongs to the script.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from msgspec.structs import replace

from gradrepl import __version__, client, config
from gradrepl.errors import GradreplError, UsageError
from gradrepl.launch import Options, check_target, exec_listening, is_device

USAGE = """gradrepl [options] [script.py [args...]]
       gradrepl [options] -m module [args...]
       gradrepl [options] attach [ADDRESS, PID or name]
       gradrepl check [options] script.py [args...]
       gradrepl config [path | show | validate | init | keys]
       gradrepl trust [--off] [FOLDER] | doctor | keys | completion SHELL"""
ABOUT = """\
Step through PyTorch's forward and backward, node by node, on the real engine.
Without a script: an interactive session."""
IN_THE_SESSION = (
    "In the session: '?' lists the commands, 'q' leaves, ':examples' lists scripts to try."
)
VALUES = {
    "-m": "the name of a module",
    "-c": "a command",
    "-p": "no:NAME",
    "--plugin": "a Python file",
    "--device": "the name of a device",
    "--theme": "a name",
    "--keys": "a name",
    "--fail-on": "a severity",
    "--steps": "a number",
}
"""Options that take the next word, whatever it is, and what it should be."""
CONFIG = ("path", "show", "validate", "init", "keys")
SHELLS = ("bash", "zsh", "fish")


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
        code = _run(sys.argv[1:] if argv is None else argv)
    except GradreplError as error:
        print(f"gradrepl: {error}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return 2
    except OSError as error:  # standard output that nobody reads any more, or that is full
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):
            with suppress(OSError):
                os.write(2, f"gradrepl: {error.strerror or error}.\n".encode())
        return 1
    return code if code >= 0 else die_by(-code)


def _run(argv: Sequence[str]) -> int:
    """Do what is asked; return the exit code, negative for the signal that the program died by."""
    word, asked = read(argv)
    if word == "check":
        from gradrepl import checked

        own = {name: asked.pop(name) for name in checked.OWN if name in asked}
        return checked.run(options(asked), own)
    if word:
        from gradrepl import subcommands

        chosen = options(asked) if word == "attach" else None
        return subcommands.run(word, asked, chosen, parsers())
    chosen = options(asked)
    if chosen.target and not chosen.module:
        check_target(chosen.target)
    if chosen.listens:
        exec_listening(chosen)
    return client.run(client.choose(chosen))


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


# -- what stands there ---------------------------------------------------------------------------


def read(argv: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the subcommand, or '' for a session, and what is asked for, by name.

    A file with the name of a subcommand is the script.

    >>> read(["--repl", "train.py", "--lr", "0.1"])
    ('', {'client': 'repl', 'target': 'train.py', 'args': ('--lr', '0.1')})
    >>> read(["--repl", "attach", "4711"])
    ('attach', {'target': '4711', 'client': 'repl'})

    Raises:
        UsageError: it cannot be understood.
    """
    ours, rest = _divided(argv)
    root, subcommands = parsers()
    if rest and rest[0] in subcommands and not os.path.isfile(rest[0]):
        word = rest[0]
        if word == "check":
            return word, _check([*ours, *rest[1:]], subcommands[word])
        given, strange = subcommands[word].parse_known_args([*ours, *rest[1:]])
        if strange:
            raise UsageError(
                f"'gradrepl {word}' does not take '{strange[0]}'.", f"'gradrepl {word} --help'."
            )
        return word, vars(given)
    session, strange = root.parse_known_args(ours)
    if strange:
        raise UsageError(f"there is no option '{strange[0]}'.", "'gradrepl --help' lists all.")
    asked = vars(session)
    if "target" in asked:
        return "", {**asked, "module": True, "args": tuple(rest)}
    rest = rest[1:] if rest[:1] == ["--"] else rest
    return "", {**asked, "target": rest[0], "args": tuple(rest[1:])} if rest else asked


def _check(words: list[str], parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Return what is asked of ``gradrepl check``: its options, then a script and its arguments."""
    ours, rest = _divided(words)
    given, strange = parser.parse_known_args(ours)
    if strange:
        raise UsageError(
            f"'gradrepl check' does not take '{strange[0]}'.", "'gradrepl check --help'."
        )
    asked = vars(given)
    if "target" in asked:
        return {**asked, "module": True, "args": tuple(rest)}
    if not rest:
        raise UsageError("'gradrepl check' needs a script.", "gradrepl check train.py")
    return {**asked, "target": rest[0], "args": tuple(rest[1:])}


def options(asked: dict[str, Any]) -> Options:
    """Return what is asked for, over the settings.

    Raises:
        ConfigError: a setting cannot be understood.
    """
    settings = config.options()
    chosen = {**asked}
    for name in ("commands", "plugins", "blocked"):
        chosen[name] = (*getattr(settings, name), *asked.get(name, ()))
    return replace(settings, listens="address" in asked, **chosen)


def _divided(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return our options, each with its value in one word, and the rest, from the script on."""
    ours, rest = [], list(argv)
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        word = rest.pop(0)
        value = word in VALUES or (word == "--listen" and "".join(rest[:1]).startswith("tcp://"))
        if value and not rest:
            raise UsageError(f"'{word}' needs {VALUES[word]}.", "'gradrepl --help' shows how.")
        ours.append(f"{word}={rest.pop(0)}" if value else word)
        if word.startswith("-m"):
            break
    return ours, rest


# -- the parsers ---------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what is wrong as everything of ours does; what is not given is left out."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(
            prog,
            argument_default=argparse.SUPPRESS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **more,
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}.", f"'{self.prog} --help' shows how.")


class _Set(argparse.Action):
    """An option without a value that sets several."""

    def __init__(self, option_strings: Sequence[str], dest: str, **more: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **more)

    def __call__(self, parser: object, namespace: object, *more: object) -> None:
        for name, value in self.const.items():
            setattr(namespace, name, value)


def parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return the parser of what stands before a script, and those of the subcommands."""
    root = _Parser("gradrepl", usage=USAGE, description=ABOUT, epilog=IN_THE_SESSION)
    for name, how in (*START, *CLIENT):
        root.add_argument(name, **how)
    root.add_argument("--version", action="version", version=f"gradrepl {__version__}")
    subcommands: dict[str, argparse.ArgumentParser] = {}
    for word, help in SUBCOMMANDS.items():
        subcommands[word] = _Parser(f"gradrepl {word}", description=help)
    add = subcommands["attach"].add_argument
    for name, how in CLIENT:
        add(name, **how)
    add("target", metavar="ADDRESS", nargs="?", default="", help="or a process id, or a name")
    for name, how in CHECK:
        subcommands["check"].add_argument(name, **how)
    add = subcommands["config"].add_argument
    words = f"one of {', '.join(CONFIG)}"
    add("word", nargs="?", default="show", type=_config_word, choices=CONFIG, help=words)
    add = subcommands["trust"].add_argument
    add("--off", action="store_true", default=False, help="take the trust back")
    add("folder", metavar="FOLDER", nargs="?", default="", help="that of the project")
    subcommands["completion"].add_argument("shell", choices=SHELLS)
    return root, subcommands


def _device(name: str) -> str:
    if not is_device(name) or name == "meta":
        raise UsageError(f"'{name}' is not a device.", "One of cpu, cuda, cuda:1, auto.")
    return name


def _plugin(file: str) -> str:
    if not os.path.isfile(file):
        raise UsageError(f"there is no file '{file}'.", "--plugin takes a Python file.")
    return file


def _blocked(text: str) -> str:
    if not text.startswith("no:") or not text[3:]:
        raise UsageError(f"'-p {text}' is not understood.", "-p no:NAME leaves a plugin out.")
    return text[3:]


def _config_word(text: str) -> str:
    if text not in CONFIG:
        raise UsageError(
            f"'gradrepl config {text}' is not understood.", f"One of {', '.join(CONFIG)}."
        )
    return text


Option = tuple[str, dict[str, Any]]


def _option(name: str, dest: str, metavar: str, help: str, **how: Any) -> Option:
    return name, {"dest": dest, "metavar": metavar, "help": help, **how}


def _several(name: str, dest: str, metavar: str, help: str, **how: Any) -> Option:
    help = f"{help}; may be given several times"
    return _option(name, dest, metavar, help, action="append", **how)


def _switch(name: str, help: str, **values: Any) -> Option:
    """Return an option without a value that sets others."""
    return name, {"help": help, "action": _Set, "const": values}


LISTEN = (
    "run normally; another terminal can attach: through a private socket, a path, or"
    " tcp://HOST:PORT"
)
DEVICE = (
    "cpu, cuda, cuda:1 or auto: where ':to' moves batches and modules; the program itself stays"
    " where it puts itself"
)
EAGER = "have torch.compile compile nothing, so that all can be stepped"
START = (
    _option("-m", "target", "MODULE", "run a module, as python -m does"),
    _option("--listen", "address", "ADDRESS", LISTEN, nargs="?", const=""),
    _switch("--wait-for-client", "with --listen: wait for the first to attach", waits=True),
    _switch("--eager", EAGER, eager=True),
)
"""How a program is started."""
PLAIN = "the line prompt with one fact a line: no colour, no boxes"
CLIENT = (
    _several("-c", "commands", "COMMAND", "a line to run before the first prompt"),
    _option("--device", "device", "NAME", DEVICE, type=_device),
    _several("--plugin", "plugins", "FILE", "load a plugin", type=_plugin),
    _option(
        "-p", "blocked", "no:NAME", "do not load the plugin NAME", type=_blocked, action="append"
    ),
    _switch("--repl", "the line prompt", client="repl"),
    _switch("--tui", "the screen, also where the settings say otherwise", client="", plain=False),
    _option("--theme", "theme", "NAME", "dark, light, contrast, ansi, or one of Textual's"),
    _option("--keys", "keys", "NAME", "the preset of keys: default, vim, vscode"),
    _switch("--plain", PLAIN, plain=True, color=False),
    _switch("--json", "read lines from standard input, print one JSON object per reply", json=True),
    _switch("--ascii", "draw with ASCII characters only", ascii=True),
    _switch("--no-color", "no colour (as does NO_COLOR)", color=False),
)
"""How it is shown, and what is done first."""
CHECK = (
    _option("-m", "target", "MODULE", "run a module, as python -m does"),
    _option("--steps", "steps", "N", "end the program after N steps of optimizers", type=int),
    _switch("--json", "print the findings as one JSON object", format="json"),
    _switch("--sarif", "print them as SARIF, for code hosts and editors", format="sarif"),
    _option(
        "--fail-on",
        "fail_on",
        "SEVERITY",
        "exit with 3 for findings from this severity on: error (the default), warning, never",
        choices=("error", "warning", "never"),
    ),
)
"""What ``gradrepl check`` is asked."""
SUBCOMMANDS = {
    "check": "Run a program wholly, then say what is wrong with it.",
    "attach": "Attach to a program that listens; without an ADDRESS list them.",
    "config": "Show or check the settings, or write a file with the defaults.",
    "trust": "Let the start-up file and the settings of a project run code, as they are now.",
    "doctor": "Print what a bug report needs.",
    "keys": "Show what the terminal sends for each key.",
    "completion": "Print a script that completes the command line in a shell.",
}
