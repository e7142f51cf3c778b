"""Commands about the session itself: help, load, restart, quit, aliases, plugins."""

from __future__ import annotations

import ast
import shlex
from functools import partial
from pathlib import Path as FilePath
from typing import Annotated

from msgspec.structs import replace

from gradrepl import model, plugins, protocol
from gradrepl.commands.registry import (
    ANY,
    COMMANDS,
    GONE,
    WAITING,
    WORDS,
    Argument,
    Command,
    Path,
    Press,
    Word,
    Words,
    by_group,
    command,
    nearest,
)
from gradrepl.commands.talk import Answer, Talk
from gradrepl.conditions import KINDS, kinds
from gradrepl.errors import StateError, UsageError
from gradrepl.launch import check_target

session = partial(command, group="Session")


@session("load", states=(*WAITING, GONE))
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


@session(
    "restart", "run", states=ANY, key=Press("R", "Restart; with new arguments: ':restart ARGS'")
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


@session("quit", "q", "exit", "EOF", states=ANY)
async def quit_(talk: Talk) -> Answer:
    """Leave gradrepl; a script that is stopped does not continue."""
    await talk.quit()
    return None


Refused = Annotated[str, Argument("", rest=True)]


@session("detach", states=ANY)
async def detach(talk: Talk, tensor: Refused = "") -> Answer:
    """Leave a program that was attached to or that called us; it continues, with no stop."""
    if tensor:
        raise UsageError(
            "':detach' leaves the program, and takes no tensor.",
            f"In Python: {tensor}.detach(); ':t {tensor}' shows what it is.",
        )
    await talk.detach()
    return None


@session("examples", states=ANY)
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


@session("alias", states=ANY)
async def alias(talk: Talk, word: Word = "", text: Words = "") -> Answer:
    """Give a line a short name; %1 and %* stand for what follows it. Alone: list them."""
    if not word:
        rows = [f"{name} = {body}" for name, body in talk.aliases.items()]
        return model.Text(title="aliases", body="\n".join(rows) or "none")
    if not text:
        _check_alias(talk, word)
        return model.Text(title="aliases", body=f"{word} = {talk.aliases[word]}")
    talk.aliases[word] = text
    return model.Notice(message=f"'{word}' stands for '{text}'.")


def _check_alias(talk: Talk, word: str) -> None:
    if word not in talk.aliases:
        raise StateError(f"there is no alias '{word}'.", "'alias' lists them.")


@session("unalias", states=ANY)
async def unalias(talk: Talk, word: Word) -> Answer:
    """Delete an alias."""
    _check_alias(talk, word)
    del talk.aliases[word]
    return model.Notice(message=f"'{word}' is no longer an alias.")


@session("interact")
async def interact(talk: Talk) -> Answer:
    """Take everything as Python until ':interact' again, whatever its first word."""
    talk.interacting = not talk.interacting
    if talk.interacting:
        return model.Notice(message="Everything is Python now; ':interact' ends it.")
    return model.Notice(message="Words are commands again.")


@session("plugins", states=ANY)
async def list_plugins(talk: Talk) -> Answer:
    """List the plugins of both processes: version, where each came from, its hooks."""
    rows = list(plugins.here("client").rows.values())
    if talk.prompt is not None:
        there = await talk.ask(protocol.ListPlugins())
        if isinstance(there, model.PluginList):
            rows += there.rows
    return model.PluginList(rows=tuple(rows))


# -- help --------------------------------------------------------------------------------------

AFTER = "Conditions are joined by 'and' and 'or'; ', PYTHON' behind them must be true, too."
NAMES = {
    "gin": "$gin is grad_in: the gradients that arrive at this node, at a stop in the backward.\n"
    "'grad_in[0] = ...' replaces one for this run.",
    "gout": "$gout is grad_out: what this node has passed on; known after ':finish'.",
    "node": "$node is node: the node of the graph that the engine stands at.",
    "leaf": "$leaf is leaf: the parameter whose gradient arrives, at an AccumulateGrad node.",
    "inputs": "inputs: what the op here was given, at a stop in the forward.",
    "outputs": "outputs: what the op here made, as a tuple; out where that is one tensor.",
    "out": "out: what the op here made, at a stop in the forward; it is not assigned yet.",
    "#": "#7 is a node of this backward, by its place in the engine's order: ':node 7'.",
    "%": "%12 is a recorded op: ':op 12'.",
    "@": "@3 is a storage: the memory that tensors lie in: ':mem'.",
}
"""Names that are there at a stop, without the dollar; and the marks before numbers."""
LONG = {"grad_in": "gin", "grad_out": "gout"}


def topic(word: str) -> tuple[str, str] | None:
    """Return title and text about ``word``, where it is a name at a stop or begins a condition."""
    bare = LONG.get(word, word.removeprefix("$"))
    parts = []
    if bare in NAMES:
        parts.append(NAMES[bare])
    if word in KINDS:
        parts.append(f"{KINDS[word].help}\n{AFTER}")
    if word in ("and", "or", "breakpoint", "condition"):
        parts.append("\n".join([*(kind.help for kind in kinds()), AFTER]))
    return (word, "\n".join(parts)) if parts else None


Topic = Annotated[str, Argument("WORD", complete="command", rest=True)]


@session("help", "h", "?", states=ANY)
async def help_(talk: Talk, word: Topic = "") -> Answer:
    """List the commands, or explain one; also a kind of breakpoint, or a name like $gin."""
    if not word:
        return model.Text(title="commands", body="\n".join(_overview()))
    word = word.lstrip(":")
    about = topic(word)
    if word in WORDS:
        return _explained(WORDS[word], about)
    if about is not None:
        return model.Text(title=about[0], body=about[1])
    for each in COMMANDS.values():
        if each.key is not None and word in each.key.keys.split(","):
            return _explained(each, None)
    names = [*NAMES, *(f"${name}" for name in NAMES if name.isalpha()), *LONG]
    like = nearest(word, [*WORDS, *KINDS, *names])
    hint = f"Did you mean ':help {like}'?" if like else "':help' lists all commands."
    raise UsageError(f"there is no help about '{word}'.", hint)


def _explained(explained: Command, about: tuple[str, str] | None) -> model.Text:
    """Return the help of a command, and what else its word means."""
    longer = [name for name in COMMANDS if name.startswith(f"{explained.name} ")]
    also = [*explained.aliases, *longer]
    others = f"\nalso: {', '.join(also)}" if also else ""
    if about is None and any(each.complete == "condition" for each in explained.arguments):
        about = topic("condition")
    more = f"\n\n{about[1]}" if about else ""
    return model.Text(title=explained.usage, body=explained.help + others + more)


def _overview() -> list[str]:
    """Return all commands by group, one a line, and how a line is understood."""
    lines: list[str] = []
    for group, members in by_group().items():
        lines += ["", group]
        lines += [f"  {', '.join(each.words):<22} {each.summary}" for each in members]
    lines += [
        "",
        "Everything else is Python. ':word' is always a command, '!text' always Python,",
        "'x?' shows what x is, 'x??' its source, ';;' separates commands on one line.",
    ]
    return lines[1:]
