"""``:help``: the commands, the kinds of breakpoint, and the names that are there at a stop."""

from __future__ import annotations

from typing import Annotated

from gradrepl import model
from gradrepl.commands.registry import (
    ANY,
    COMMANDS,
    WORDS,
    Argument,
    Command,
    by_group,
    command,
    nearest,
)
from gradrepl.commands.talk import Answer, Talk
from gradrepl.conditions import KINDS, kinds
from gradrepl.errors import UsageError

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


@command("help", "h", "?", group="Session", states=ANY)
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


def _explained(found: Command, about: tuple[str, str] | None) -> model.Text:
    """Return the help of a command, and what else its word means."""
    longer = [name for name in COMMANDS if name.startswith(f"{found.name} ")]
    also = [*found.aliases, *longer]
    others = f"\nalso: {', '.join(also)}" if also else ""
    if about is None and any(each.complete == "condition" for each in found.arguments):
        about = topic("condition")
    more = f"\n\n{about[1]}" if about else ""
    return model.Text(title=found.usage, body=found.help + others + more)


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
