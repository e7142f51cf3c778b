"""The command line: ``gradrepl [options] script.py args...``, and what is done with it.

Everything after the script or ``-m module`` belongs to the script.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Any

from msgspec.structs import replace

from gradrepl import __version__, client, config
from gradrepl.errors import GradreplError, UsageError
from gradrepl.launch import Options, check_target, exec_listening, is_device

USAGE = """\
usage: gradrepl [options] [script.py [args...]]
       gradrepl [options] -m module [args...]
       gradrepl [options] attach [ADDRESS, PID or name]
       gradrepl config [path | show | validate | init | keys]
       gradrepl trust [--off] [FOLDER] | doctor | keys

Step through PyTorch's forward and backward, node by node, on the real engine.
Without a script: an interactive session.

  -m MODULE      run a module, as python -m does
  -c COMMAND     a line to run before the first prompt; may be given several times
  --listen[=ADDRESS]
                 run as without gradrepl, and let 'gradrepl attach' come in: through a
                 private socket, a path, or tcp://HOST:PORT
  --wait-for-client
                 with --listen: wait for the first to attach
  --device NAME  cpu, cuda, cuda:1 or auto: where ':to' moves batches and modules; the
                 program itself stays where it puts itself
  --plugin FILE  load a plugin; may be given several times
  -p no:NAME     do not load the plugin NAME
  --eager        have torch.compile compile nothing, so that all can be stepped
  --repl, --tui  the line prompt; the screen, also where the settings say otherwise
  --theme NAME   dark, light, contrast, ansi, or a theme of Textual's
  --keys NAME    the preset of keys: default, vim, vscode
  --plain        the line prompt with one fact a line: no colour, no boxes
  --json         read lines from standard input, print one JSON object per reply
  --ascii        draw with ASCII characters only
  --no-color     no colour (as does NO_COLOR)
  --version      print the version
  -h, --help     print this

In the session: '?' lists the commands, 'q' leaves, ':examples' lists scripts to try."""


SWITCHES: dict[str, dict[str, Any]] = {
    "--wait-for-client": {"waits": True},
    "--eager": {"eager": True},
    "--repl": {"client": "repl"},
    "--tui": {"client": "", "plain": False},
    "--plain": {"plain": True, "color": False},
    "--json": {"json": True},
    "--ascii": {"ascii": True},
    "--no-color": {"color": False},
}
"""Options that take no value, and what each sets."""


def parse(argv: list[str]) -> Options:
    """Return what the command line asks for, over the settings.

    Raises:
        UsageError: an unknown option, or one without its value.
        ConfigError: a setting cannot be understood.
    """
    options = config.options()
    commands = list(options.commands)
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        match word:
            case "-c" | "-m":
                if not rest:
                    what = "a command" if word == "-c" else "the name of a module"
                    raise UsageError(f"'{word}' needs {what}.", "'gradrepl --help' shows how.")
                if word == "-m":
                    options = replace(options, module=True)
                    break
                commands.append(rest.pop(0))
            case "--theme" | "--keys":
                if not rest:
                    raise UsageError(f"'{word}' needs a name.", "'gradrepl --help' shows how.")
                options = replace(options, **{word[2:]: rest.pop(0)})
            case "-p" | "--plugin":
                options = _plugin(options, word, rest)
            case _ if word == "--device" or word.startswith("--device="):
                options = replace(options, device=_device(word, rest))
            case _ if word == "--listen" or word.startswith("--listen="):
                options = replace(options, listens=True, address=word[9:])
                if rest and rest[0].startswith("tcp://") and not options.address:
                    options = replace(options, address=rest.pop(0))
            case _ if word in SWITCHES:
                options = replace(options, **SWITCHES[word])
            case "--":
                break
            case _:
                raise UsageError(f"there is no option '{word}'.", "'gradrepl --help' lists all.")
    target, args = (rest[0], tuple(rest[1:])) if rest else ("", ())
    return replace(options, target=target, args=args, commands=tuple(commands))


def _plugin(options: Options, word: str, rest: list[str]) -> Options:
    """Return ``options`` with the file after ``--plugin``, or without the plugin after ``-p``."""
    name = rest.pop(0) if rest else ""
    if word == "--plugin":
        if not os.path.isfile(name):
            raise UsageError(f"there is no file '{name}'.", "--plugin takes a Python file.")
        return replace(options, plugins=(*options.plugins, name))
    if not name.startswith("no:") or not name[3:]:
        raise UsageError(f"'-p {name}' is not understood.", "-p no:NAME leaves a plugin out.")
    return replace(options, blocked=(*options.blocked, name[3:]))


def _device(word: str, rest: list[str]) -> str:
    """Return the name of a device, from ``--device=NAME`` or the word that follows."""
    name = word.partition("=")[2] if "=" in word else rest.pop(0) if rest else ""
    if not is_device(name) or name == "meta":
        raise UsageError(
            f"'{name}' is no device." if name else "'--device' needs the name of a device.",
            "One of cpu, cuda, cuda:1, auto.",
        )
    return name


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
    words = sys.argv[1:] if argv is None else argv
    try:
        asked = _early(words)
        if asked:
            print(asked)
            return 0
        if words[:1] and words[0] in WORDS and not os.path.exists(words[0]):
            from gradrepl import subcommands

            if words[0] == "attach":
                return subcommands.attach(parse(words[1:]))
            return subcommands.run(words)
        options = parse(words)
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


WORDS = ("attach", "config", "trust", "doctor", "keys")
"""Words that stand where a script would; a file of that name is the script."""


def _early(words: list[str]) -> str:
    """Return the text of ``--help`` and ``--version``, when they come before a script."""
    for word in words:
        if word in ("-h", "--help"):
            return USAGE
        if word == "--version":
            return f"gradrepl {__version__}"
        if word in ("-m", "-c", "--") or not word.startswith("-"):
            break
    return ""


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
