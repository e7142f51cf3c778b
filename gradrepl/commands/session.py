"""Commands about the session itself: load, restart, quit, aliases, plugins."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path as FilePath
from typing import Annotated

from msgspec.structs import replace

from gradrepl import model, plugins, protocol
from gradrepl.commands.registry import (
    ANY,
    GONE,
    WAITING,
    Argument,
    Path,
    Press,
    Word,
    Words,
    command,
)
from gradrepl.commands.talk import Answer, Talk
from gradrepl.errors import StateError, UsageError
from gradrepl.launch import check_target

GROUP = "Session"


@command("load", group=GROUP, states=(*WAITING, GONE))
async def load(talk: Talk, file: Path, arguments: Words = "") -> Answer:
    """Run a script, stopped before its first op; the name of an example will do."""
    path = _find_script(file)
    check_target(path)
    options = replace(talk.options, target=path, args=_split(arguments), module=False, commands=())
    if talk.used or talk.state == GONE:
        await talk.restart(options)
    else:
        await talk.run_target(options)
    return None


@command(
    "restart",
    "run",
    group=GROUP,
    states=ANY,
    key=Press("R", "Restart; with new arguments: ':restart ARGS'"),
)
async def restart(talk: Talk, arguments: Words = "") -> Answer:
    """Start again in a new process, with new ARGS if given; keeps breakpoints and displays."""
    options = replace(talk.options, commands=())
    if options.target and not options.module:
        check_target(options.target)
    if arguments:
        options = replace(options, args=_split(arguments))
    talk.tell(model.Notice(message=f"Starting {options.target or 'a new session'} again."))
    await talk.restart(options)
    return None


def _split(arguments: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(arguments))
    except ValueError as error:
        raise UsageError(f"the arguments cannot be read: {error}.", "Close the quotes.") from None


@command("quit", "q", "exit", "EOF", group=GROUP, states=ANY)
async def quit_(talk: Talk) -> Answer:
    """Leave gradrepl; a script that is stopped does not continue."""
    await talk.quit()
    return None


Refused = Annotated[str, Argument("", rest=True)]


@command("detach", group=GROUP, states=ANY)
async def detach(talk: Talk, tensor: Refused = "") -> Answer:
    """Leave a program that was attached to or that called us; it continues, with no stop."""
    if tensor:
        raise UsageError(
            "':detach' leaves the program, and takes no tensor.",
            f"In Python: {tensor}.detach(); ':t {tensor}' shows what it is.",
        )
    await talk.detach()
    return None


@command("examples", group=GROUP, states=ANY)
async def examples(talk: Talk) -> Answer:
    """List the shipped examples; ':load NAME' runs one."""
    rows = [f"{path.stem:<16} {_first_line(path)}" for path in example_files()]
    return model.Text(title="examples, run with :load NAME", body="\n".join(rows) or "none")


def example_files() -> list[FilePath]:
    """Return the shipped scripts: beside the package in a checkout, inside it when installed."""
    package = FilePath(__file__).resolve().parent.parent
    for folder in (package / "examples", package.parent / "examples"):
        if folder.is_dir():
            return sorted(folder.glob("*.py"))
    return []


def _first_line(path: FilePath) -> str:
    try:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (OSError, SyntaxError, ValueError):
        return ""
    return text.partition("\n")[0]


def _find_script(name: str) -> str:
    """Return the path of a script or of the example with this name."""
    path = FilePath(name).expanduser()
    if not path.exists():
        for example in example_files():
            if name in (example.stem, example.name):
                return str(example)
    return str(path)


@command("alias", group=GROUP, states=ANY)
async def alias(talk: Talk, word: Word = "", text: Words = "") -> Answer:
    """Give a line a short name; %1 and %* stand for what follows it. Alone: list them."""
    if not word:
        rows = [f"{name} = {body}" for name, body in talk.aliases.items()]
        return model.Text(title="aliases", body="\n".join(rows) or "none")
    if not text:
        if word not in talk.aliases:
            raise StateError(f"there is no alias '{word}'.", "'alias' lists them.")
        return model.Text(title="aliases", body=f"{word} = {talk.aliases[word]}")
    talk.aliases[word] = text
    return model.Notice(message=f"'{word}' stands for '{text}'.")


@command("unalias", group=GROUP, states=ANY)
async def unalias(talk: Talk, word: Word) -> Answer:
    """Delete an alias."""
    if word not in talk.aliases:
        raise StateError(f"there is no alias '{word}'.", "'alias' lists them.")
    del talk.aliases[word]
    return model.Notice(message=f"'{word}' is no longer an alias.")


@command("interact", group=GROUP)
async def interact(talk: Talk) -> Answer:
    """Take everything as Python until ':interact' again, whatever its first word."""
    talk.interacting = not talk.interacting
    if talk.interacting:
        return model.Notice(message="Everything is Python now; ':interact' ends it.")
    return model.Notice(message="Words are commands again.")


@command("plugins", group=GROUP, states=ANY)
async def list_plugins(talk: Talk) -> Answer:
    """List the plugins of both processes: version, where each came from, its hooks."""
    rows = list(plugins.here("face").rows.values())
    if talk.prompt is not None:
        there = await talk.ask(protocol.ListPlugins())
        if isinstance(there, model.PluginList):
            rows += there.rows
    return model.PluginList(rows=tuple(rows))
