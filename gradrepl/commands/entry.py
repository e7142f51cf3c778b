"""What a typed line means: a command, a look at something, or Python; and what Tab offers.

``:word`` and ``%word`` are always a command, ``!text`` is always Python. At a stop a first word
that is a command is one, unless it is also a name here and the line is good Python: people name
their tensors a, b, c, n, and their names win. At the idle prompt Python wins.
"""

from __future__ import annotations

import ast
import builtins
import codeop
import keyword
import os
import re
import warnings

import msgspec

from gradrepl import conditions, model, plugins, protocol
from gradrepl import export as exporters
from gradrepl.commands.registry import (
    COMMANDS,
    RUNNING,
    WORDS,
    Argument,
    Command,
    find_whole,
    nearest,
    split_word,
    unknown,
)
from gradrepl.commands.talk import Talk
from gradrepl.errors import GradreplError


class Call(msgspec.Struct, frozen=True):
    """A command and the text of its arguments."""

    command: Command
    text: str


class Code(msgspec.Struct, frozen=True):
    """Python; ``shadows`` is the command whose word is a name here."""

    source: str
    shadows: str = ""


class Look(msgspec.Struct, frozen=True):
    """``x?`` or, with ``source``, ``x??``."""

    expression: str
    source: bool


Meaning = Call | Code | Look | None

_compiler = codeop.CommandCompiler()
_compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def python_state(text: str) -> str:
    """Say whether ``text`` as Python is 'complete', 'incomplete' or 'wrong'."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = _compiler(text, "<typed>", "single")
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return _whole_state(text)
    return "incomplete" if code is None else "complete"


def _whole_state(text: str) -> str:
    """Judge several statements at once, as a paste or a batch file has them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<typed>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return "wrong"
    return "complete"


def wants_block(text: str) -> bool:
    """Is this a command whose lines go on up to ``end``, not there yet?"""
    first, *others = text.strip().split("\n")
    word, _ = split_word(first.lstrip(":%").strip())
    if word not in WORDS or not WORDS[word].takes_block:
        return False
    return not any(line.strip() == "end" for line in others)


def needs_more(text: str, stopped: bool) -> bool:
    """Is the entry not complete yet?"""
    if wants_block(text):
        return True
    stripped = text.strip()
    if not stripped or stripped[0] in ":%" or stripped.endswith("?"):
        return False
    if stripped[0] == "!":
        return python_state(text.lstrip()[1:].lstrip(" ")) == "incomplete"
    word, rest = split_word(stripped)
    if stopped and word in WORDS and "\n" not in stripped and not rest.endswith(":"):
        return False
    return python_state(text) == "incomplete"


def split_entries(text: str) -> list[str]:
    """Split a line at ``;;`` outside of quotes; a text of several lines is one entry."""
    if "\n" in text.strip() or ";;" not in text:
        return [text]
    parts = re.split(r""";;(?=(?:[^"']|"[^"]*"|'[^']*')*$)""", text)
    return [part.strip() for part in parts if part.strip()]


LEAVING = ("exit()", "quit()")
"""Python's own ways to leave a prompt."""


def while_running(text: str) -> Call | None:
    """Return the command that ``text`` is, if it is one that is possible while code runs."""
    word, rest = split_word(text.strip().lstrip(":%"))
    command = WORDS.get(word)
    return Call(command, rest) if command is not None and RUNNING in command.states else None


async def _is_free(talk: Talk, word: str) -> bool:
    """Is ``word`` no name of the user's?"""
    return talk.state == "gone" or await talk.ask(protocol.Bound(word=word)) is None


def shadowed(word: str) -> model.Notice:
    """Say that ``word`` was taken as Python."""
    return model.Notice(message=f"'{word}' is a name here; ':{word}' is the command.")


def expanded(text: str, aliases: dict[str, str]) -> str:
    """Return ``text`` with an alias at its front replaced, '%1' and '%*' filled in.

    >>> expanded("add 2 3", {"add": "p %1 + %2"})
    'p 2 + 3'
    """
    word, _, rest = text.strip().lstrip(":").partition(" ")
    if word not in aliases:
        return text
    body = aliases[word].replace("%*", rest.strip())
    for place, value in enumerate(rest.split(), 1):
        body = body.replace(f"%{place}", value)
    return body


async def understand(talk: Talk, text: str) -> Meaning:
    """Return what ``text`` means where we stand.

    Raises:
        UsageError: it is clearly a command, and there is no such one.
    """
    stripped = text.strip()
    if not stripped:
        return None
    if stripped[0] in ":%":
        return _command(stripped[1:].strip() or "help")
    if stripped[0] == "!":
        source = text.lstrip()[1:].lstrip(" ")
        return Code(source) if source.strip() else None
    if stripped == "?":
        return _command("help")
    if stripped in LEAVING and not talk.interacting and await _is_free(talk, stripped[:-2]):
        return _command("quit")
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.split("\n")):
        return None
    for line in await plugins.here().awaited("gradrepl_typed", talk=talk, text=stripped):
        return _command(line)
    if talk.interacting:
        return Code(text)
    state = python_state(text)
    if state != "complete" and "\n" not in stripped:
        if found := re.fullmatch(r"(.*[^?\s])\s*(\?\??)", stripped):
            return Look(found[1].strip(), source=found[2] == "??")
        if found := re.fullmatch(r"(\?\??)\s*([^?\s].*)", stripped):
            return Look(found[2].strip(), source=found[1] == "??")
    return await _word(talk, text, state)


async def _word(talk: Talk, text: str, state: str) -> Meaning:
    """Decide by the first word, and by whether it is a name here."""
    first = text.strip().split("\n")[0]
    word, rest = split_word(first)
    if word and word not in WORDS and state == "wrong" and not keyword.iskeyword(word):
        if "\n" not in text.strip() and nearest(word):
            raise unknown(word)
        return Code(text)
    if text.strip() == word and word not in WORDS and nearest(word) and talk.state != "gone":
        if await _is_free(talk, word) and not hasattr(builtins, word):
            raise unknown(word, "there is no command or name")
        return Code(text)
    if word not in WORDS or ("\n" in text.strip() and not WORDS[word].takes_block):
        return Code(text)
    if state == "wrong" and rest:
        return _command(text.strip())  # 'n 3' is no Python, whatever n is
    if talk.state == "gone":
        return _command(text.strip())
    if state == "complete" and rest and not talk.stopped and hasattr(builtins, word):
        return Code(text)  # 'print (x)' before anything is stopped
    if await talk.ask(protocol.Bound(word=word)) is not None:
        return Code(text, shadows=word if talk.stopped else "")
    return _command(text.strip())


def _command(text: str) -> Call:
    """``text`` as a command, without its mark."""
    word, _, rest = text.partition(" ")
    if "\n" in word:
        word, _, rest = text.partition("\n")
    if found := re.match(r"(\w+|\?)(.*)", word, re.S):
        word, rest = found[1], f"{found[2]} {rest}" if found[2] else rest
    return Call(*find_whole(word, rest.strip("\n") if "\n" in rest else rest.strip()))


# -- what Tab offers -----------------------------------------------------------------------------


def fragment(text: str) -> str:
    """Return the unfinished word at the end of ``text``, which a completion replaces."""
    if path := re.search(r"(?:^|\s)(\S*/\S*)$", text):
        return path[1]
    found = re.search(r"[^\W\d]\w*$", text)
    return found[0] if found else ""


async def complete(talk: Talk, text: str) -> list[str]:
    """Return the words that may stand for ``fragment(text)``."""
    line = text.rsplit("\n", 1)[-1].lstrip()
    marked = line[:1] in (":", "%")
    bare = line.lstrip(":%")
    word, rest = split_word(bare)
    if word and not rest and not bare[-1].isspace():
        words = _commands(word)
        if marked:
            return words
        python = await _python(talk, text)
        return [*python, *(each for each in words if each not in python)]
    if word in WORDS:
        return await _argument(talk, WORDS[word].arguments, rest, bare, text)
    if marked:
        return _commands(bare)
    return await _python(talk, text)


def _files(rest: str, line: str) -> list[str]:
    """Return kinds of files at first, and paths."""
    last = rest.split()[-1] if rest and not line[-1].isspace() else ""
    kinds = [word for word in exporters.words() if word.startswith(last)]
    return (kinds if len(rest.split()) - bool(last) < 2 and "/" not in last else []) + _paths(last)


def _commands(start: str) -> list[str]:
    found = [name for name in COMMANDS if name.startswith(start)]
    return found or [word for word in WORDS if word.startswith(start)]


async def _argument(
    talk: Talk, arguments: tuple[Argument, ...], rest: str, line: str, text: str
) -> list[str]:
    if not arguments:
        return []
    done = len(rest.split()) - (not line[-1].isspace())
    argument = arguments[max(0, min(done, len(arguments) - 1))]
    end = fragment(text)
    match argument.complete:
        case "python":
            return await _python(talk, rest)
        case "command":
            return _commands(end)
        case "breakpoint":
            return [str(number) for number in talk.session.breakpoints]
        case "export":
            return _files(rest, line)
        case "path":
            return _paths(rest.split()[-1] if rest and not line[-1].isspace() else "")
        case "condition":
            last = text.rpartition(" ")[2]  # 'grad-no', of which 'no' is what a word replaces
            kept = len(last) - len(end)
            words = [word[kept:] for word in conditions.words() if word.startswith(last)]
            return words or await _python(talk, end)
    return []


async def _python(talk: Talk, text: str) -> list[str]:
    """Ask the engine, which runs no property for it."""
    if talk.prompt is None or not text.strip():
        return []
    try:
        record = await talk.ask(protocol.Complete(text=text))
    except GradreplError:
        return []
    words = record.words if isinstance(record, model.Completions) else ()
    end = fragment(text)
    return [word.rpartition(".")[2] for word in words if word.rpartition(".")[2].startswith(end)]


def _paths(start: str) -> list[str]:
    folder, name = os.path.split(start)
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda e: e.name)
    except OSError:
        return []
    return [
        os.path.join(folder, each.name) + ("/" if each.is_dir() else "")
        for each in entries
        if each.name.startswith(name) and (name or not each.name.startswith("."))
    ]
