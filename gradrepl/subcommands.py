"""The words that stand where a script would: ``gradrepl attach``, ``config``, ``trust`` ..."""

from __future__ import annotations

import json
import os
import platform
import select
import sys
import termios
import tty
from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import Any

import platformdirs
from msgspec.structs import replace

from gradrepl import __version__, client, config, endpoint
from gradrepl.endpoint import Endpoint
from gradrepl.errors import ConfigError, StateError
from gradrepl.launch import Options

ASKED = ("torch", "textual", "rich", "prompt_toolkit", "msgspec", "pluggy", "numpy", "IPython")
TERMINAL = ("TERM", "COLORTERM", "TERM_PROGRAM", "TMUX", "LANG", "LC_ALL", "NO_COLOR", "VISUAL")
QUIET = 0.1
"""Seconds after which what came is taken for one key."""


Parsers = tuple[ArgumentParser, dict[str, ArgumentParser]]
"""What stands before a script, and the subcommands."""


def run(word: str, asked: dict[str, Any], options: Options | None, parsers: Parsers) -> int:
    """Do what the subcommand ``word`` says, with what is ``asked`` of it; return the exit code.

    Raises:
        GradreplError: it cannot be done.
    """
    match word:
        case "attach" if options is not None:
            return attach(options)
        case "config":
            CONFIG[asked["word"]]()
        case "trust" if asked["off"]:
            config.untrust(Path.cwd() / asked["folder"])
        case "trust":
            for file in config.trust(Path.cwd() / asked["folder"]):
                print(f"{file} may run code in sessions started in its folder, as it is now.")
        case "doctor":
            print("\n".join(report()))
        case "keys":
            press_keys()
        case "completion":
            print(completion(asked["shell"], *parsers))
    return 0


# -- attach -------------------------------------------------------------------------------------


def attach(options: Options) -> int:
    """Attach; without an address list who listens. Return the exit code.

    Raises:
        GradreplError: nobody is there, or the token is wrong.
    """
    if not options.target:
        print(listed(endpoint.listening()))
        return 0
    there = endpoint.find(options.target)
    endpoint.connected(there.address).close()  # before a screen is drawn
    options = client.choose(replace(options, target="", args=(), endpoint=there))
    code = client.run(options)
    if options.client == "tui" and there.pid and not endpoint.alive(there.pid):
        print(f"{there.name} has ended.")  # what the screen said is gone with it
    return code


def listed(known: list[Endpoint]) -> str:
    """Return one line for each that listens."""
    if not known:
        return (
            "No running session found. Start one with 'gradrepl --listen train.py' or"
            " gradrepl.listen()."
        )
    rows = [(each.name, str(each.pid), each.script, each.address) for each in known]
    rows.insert(0, ("NAME", "PID", "SCRIPT", "ADDRESS"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(word.ljust(width) for word, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    )


# -- config -------------------------------------------------------------------------------------


def _show() -> None:
    loaded = config.load()
    for name in config.HELP:
        source = loaded.sources.get(name, "default")
        print(f"{name} = {written(getattr(loaded.config, name))}  # {source}")
    for sentence in loaded.ignored:
        print(f"# {sentence}")


def _validate() -> None:
    loaded = config.load()
    from gradrepl.tui import keymaps

    chosen = loaded.config
    keymaps.chosen(chosen.keys, chosen.keymap, chosen.plugins, chosen.block)
    if not loaded.sources:
        print("No settings to check: using defaults.")
        return
    count = len(loaded.sources)
    what = "1 setting is" if count == 1 else f"{count} settings are"
    files = ", ".join(sorted({each for each in loaded.sources.values() if os.sep in each}))
    print(f"{what} right: {files}" if files else f"{what} right.")


def _init() -> None:
    file = config.path()
    if file.exists():
        raise ConfigError(f"'{file}' exists already.", "'gradrepl config show' tells what it says.")
    lines = ["# Settings of gradrepl. What is commented out is the default.", ""]
    for name, meaning in config.HELP.items():
        lines += [f"# {meaning}", f"# {name} = {written(getattr(config.Config(), name))}", ""]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines))
    except OSError as error:
        raise ConfigError(f"'{file}' cannot be written: {error.strerror}.") from None
    print(file)


def written(value: object) -> str:
    """Return ``value`` as TOML writes it.

    >>> written({"dead": 0.9, "names": ("a", "b")})
    '{"dead" = 0.9, "names" = ["a", "b"]}'
    """
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        pairs = (f"{written(key)} = {written(each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _keys() -> None:
    from gradrepl.tui import keymaps
    from gradrepl.tui.views import every

    loaded = config.load().config
    now = keymaps.chosen(loaded.keys, loaded.keymap, loaded.plugins, loaded.block)
    keymaps.bring(loaded.plugins, loaded.block)
    for key in every():
        print(f"{key.id} = {written(now.get(key.id, key.keys))}  # {key.help}")


CONFIG = {
    "path": lambda: print(config.path()),
    "show": _show,
    "validate": _validate,
    "init": _init,
    "keys": _keys,
}


# -- doctor -------------------------------------------------------------------------------------


def report() -> Iterator[str]:
    """Yield the lines of a bug report; nothing of the user's data is in them."""
    yield f"gradrepl {__version__}  at {os.path.dirname(__file__)}"
    yield f"python {platform.python_version()}  {sys.executable}"
    yield f"system {platform.platform()}  {os.cpu_count()} cores"
    for name in ASKED:
        yield f"{name} {_version(name)}"
    yield from _asked(CUDA, "cuda")
    yield from _asked(PRIVATE, "private parts of torch")
    size = os.get_terminal_size(1) if os.isatty(1) else None
    yield f"terminal {f'{size.columns}x{size.lines}' if size else 'none'}"
    yield from (f"{name}={os.environ[name]}" for name in TERMINAL if name in os.environ)
    yield from _settings()
    yield from _plugins()
    state = platformdirs.user_state_path("gradrepl")
    writable = not state.exists() or os.access(state, os.W_OK)
    yield f"state {state}{'' if writable else ' (cannot be written)'}"


def _settings() -> Iterator[str]:
    here = (config.path().parent / "gradreplrc", Path(config.RC))
    yield f"settings {config.path()}{'' if config.path().is_file() else ' (not there)'}"
    yield f"start-up files {', '.join(str(file) for file in here if file.is_file()) or 'none'}"
    try:
        loaded = config.load()
        yield from (f"  {name} from {where}" for name, where in loaded.sources.items())
        yield from (f"! {sentence}" for sentence in loaded.ignored)
    except ConfigError as error:
        yield f"! {error}"


def _version(name: str) -> str:
    if find_spec(name) is None:
        return "is not installed"
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "of unknown version"


CUDA = """\
import torch
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print("cuda", torch.version.cuda, torch.cuda.is_available(), names)
"""
PRIVATE = """\
from gradrepl.engine import torch_private as p
lost = [f"! this torch has no {each.part}: {each.lost}" for each in p.missing]
print(f"private parts of torch: {len(p.used)} used, {len(lost)} missing", *lost, sep="\\n")
"""


def _asked(program: str, what: str) -> list[str]:
    """Return what a program with torch prints; in a process of its own, as it may fail."""
    import subprocess

    try:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
        )
    except subprocess.TimeoutExpired:
        return [f"{what}: torch does not answer"]
    if done.returncode:
        return [f"{what}: {(done.stderr.strip().splitlines() or ['unknown'])[-1]}"]
    return done.stdout.splitlines()


def _plugins() -> Iterator[str]:
    from gradrepl import plugins

    loaded = plugins.Plugins("client")
    loaded.load()
    for row in loaded.rows.values():
        line = f"plugin {row.name} {row.version} from {row.origin}: {row.state} {row.problem}"
        yield line.rstrip()


# -- keys ---------------------------------------------------------------------------------------


def press_keys() -> None:
    """Print each key as it is pressed, until Ctrl+D.

    Raises:
        StateError: there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise StateError("'gradrepl keys' needs a terminal.")
    print("Press keys to see their names for the key map; Ctrl+D ends.\r")
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        while True:
            data = os.read(0, 64)
            while select.select([0], [], [], QUIET)[0] and data[:1] == b"\x1b":
                data += os.read(0, 64)
            if not data or data == b"\x04":
                return
            names = ", ".join(named(data)) or "nothing that is known"
            sys.stdout.write(f"{names:24} {data!r}\r\n")
            sys.stdout.flush()
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def named(data: bytes) -> list[str]:
    """Return the names that the screen has for the keys in ``data``.

    >>> named(b"s\\x1b[A")
    ['s', 'up']
    """
    from textual import events
    from textual._xterm_parser import XTermParser

    parser = XTermParser()
    pressed = [*parser.feed(data.decode(errors="replace")), *parser.feed("")]
    return [event.key for event in pressed if isinstance(event, events.Key)]


# -- completion ---------------------------------------------------------------------------------

BASH = """\
_gradrepl() {{
    local IFS=$'\\n' word words={root}
    for word in "${{COMP_WORDS[@]:1:$((COMP_CWORD - 1))}}"; do
        case $word in
{cases}
        esac
    done
    COMPREPLY=($(compgen -f -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o filenames -F _gradrepl gradrepl"""
ZSH = "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit"


def completion(shell: str, root: ArgumentParser, subcommands: dict[str, ArgumentParser]) -> str:
    """Return a script for ``shell``: files, subcommands, options, and what each takes."""
    if shell == "fish":
        return "\n".join(_fish(root, subcommands))
    cases = [f"            {word}) words={_words(each)};;" for word, each in subcommands.items()]
    script = BASH.format(root=_words(root, *subcommands), cases="\n".join(cases))
    return f"{ZSH}\n{script}" if shell == "zsh" else script


def _words(parser: ArgumentParser, *more: str) -> str:
    """Return what may be typed, as a word of the shell: a line each."""
    words = [*more]
    for action in parser._actions:
        words += action.option_strings or action.choices or ()
    return "$'" + "\\n".join(words) + "'"


def _fish(root: ArgumentParser, subcommands: dict[str, ArgumentParser]) -> Iterator[str]:
    for word, parser in {"": root, **subcommands}.items():
        seen = f"__fish_seen_subcommand_from {word}" if word else "__fish_use_subcommand"
        start = f"complete -c gradrepl -n '{seen}'"
        if word:
            about = quote(parser.description or "")
            yield f"complete -c gradrepl -n __fish_use_subcommand -a {word} -d {about}"
        for action in parser._actions:
            about = quote(action.help or "")
            value = "" if action.nargs == 0 else " -r"
            for name in action.option_strings:
                kind = "-l" if name.startswith("--") else "-s"
                yield f"{start} {kind} {name.lstrip('-')}{value} -d {about}"
            if action.choices and not action.option_strings:
                yield f"{start} -f -a {quote(' '.join(map(str, action.choices)))}"
