"""What a typed line means: a command, a look at something, or Python; and what Tab offers.

``:word`` and ``%word`` are always a command, ``!text`` is always Python. At a stop a first word
that is a command is one, unless it is also a name here and the line is good Python: people name
their tensors a, b, c, n, and their names win. At the idle prompt Python wins.
"""

from __future__ import annotations

import ast
import builtins
import codeop
import io
import keyword
import os
import re
import tokenize
import warnings
from collections.abc import Callable
from contextlib import suppress

import msgspec

from gradrepl import conditions, model, plugins, protocol
from gradrepl import export as exporters
from gradrepl.commands.registry import (
    COMMANDS,
    RUNNING,
    WORDS,
    Argument,
    Command,
    find,
    nearest,
    split_word,
    unknown,
)
from gradrepl.commands.talk import Talk
from gradrepl.errors import GradreplError, UsageError


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
_ONLY_PARSE = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_NOT_PYTHON = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)


def python_state(text: str) -> str:
    """Say whether ``text`` as Python is 'complete', 'incomplete' or 'wrong'."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(*_NOT_PYTHON):
            return "incomplete" if _compiler(text, "<typed>", "single") is None else "complete"
        with suppress(*_NOT_PYTHON):  # several statements at once, as a paste has them
            compile(text, "<typed>", "exec", _ONLY_PARSE)
            return "complete"
    return "wrong"


def wants_block(text: str) -> bool:
    """Is this a command whose lines go on up to ``end``, not there yet?"""
    first, *others = text.strip().split("\n")
    word, rest = split_word(first.lstrip(":%").strip())
    if word not in WORDS or not WORDS[word].takes_block:
        return False
    try:
        WORDS[word].parse(rest)
    except UsageError:  # it is refused, whatever follows
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


def ends_at_blank(text: str) -> bool:
    """Does an empty line end this incomplete entry? Not in a text, or a command's block.

    >>> ends_at_blank("x = [1,"), ends_at_blank("x = '''a")
    (True, False)
    """
    if wants_block(text):
        return False
    try:
        list(tokenize.generate_tokens(io.StringIO(text.lstrip().removeprefix("!")).readline))
    except (tokenize.TokenError, SyntaxError) as error:
        return "string" not in str(error)
    return True


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
    if all(line.lstrip()[:1] in ("", "#") for line in text.split("\n")):
        return None
    if stripped[0] in ":%!" or stripped == "?":
        return _marked(text, stripped)
    if stripped in LEAVING and not talk.interacting and await _is_free(talk, stripped[:-2]):
        return _command("quit")
    for line in await plugins.here().awaited("gradrepl_typed", talk=talk, text=stripped):
        return _command(line)
    if talk.interacting:
        return Code(text)
    state = python_state(text)
    look = _look(stripped) if state != "complete" else None
    return look or await _by_first_word(talk, text, state)


def _marked(text: str, stripped: str) -> Meaning:
    if stripped[0] != "!":
        return _command(stripped[1:].strip() or "help")
    source = text.lstrip()[1:].lstrip(" ")
    return Code(source) if source.strip() else None


def _look(text: str) -> Look | None:
    """Return what ``x?``, ``?x``, ``x??`` or ``??x`` asks."""
    for pattern in (r"(?P<of>.*[^?\s])\s*(?P<marks>\?\??)", r"(?P<marks>\?\??)\s*(?P<of>[^?\s].*)"):
        asked = re.fullmatch(pattern, text) if "\n" not in text else None
        if asked is not None:
            return Look(asked["of"].strip(), source=asked["marks"] == "??")
    return None


async def _by_first_word(talk: Talk, text: str, state: str) -> Meaning:
    """Decide by the first word, and by whether it is a name here."""
    first, *others = text.strip().split("\n")
    word, rest = split_word(first)
    if word not in WORDS:
        await _check_unknown(talk, word, state, alone=text.strip() == word, one_line=not others)
        return Code(text)
    if others and not WORDS[word].takes_block:
        return Code(text)
    if await _is_python(talk, word, rest, state):
        return Code(text, shadows=word if talk.stopped else "")
    return _command(text.strip())


async def _is_python(talk: Talk, word: str, rest: str, state: str) -> bool:
    """Is it good Python, with a name of the user's or a builtin at its front?"""
    if talk.state == "gone" or (state == "wrong" and rest):  # 'n 3' is no Python, whatever n is
        return False
    if state == "complete" and rest and not talk.stopped and hasattr(builtins, word):
        return True  # 'print (x)' before anything is stopped
    return not await _is_free(talk, word)


async def _check_unknown(talk: Talk, word: str, state: str, *, alone: bool, one_line: bool) -> None:
    """Refuse what is not Python, or no name here, and looks like a misspelt command."""
    if state == "wrong" and word and not keyword.iskeyword(word):
        if one_line and nearest(word):
            raise unknown(word)
        return
    if not alone or not nearest(word) or talk.state == "gone" or hasattr(builtins, word):
        return
    if await _is_free(talk, word):
        raise unknown(word, "there is no command or name")


def _command(text: str) -> Call:
    """``text`` as a command, without its mark."""
    word, _, rest = text.partition(" ")
    if "\n" in word:
        word, _, rest = text.partition("\n")
    if parts := re.match(r"(\w+|\?)(.*)", word, re.S):
        word, rest = parts[1], f"{parts[2]} {rest}" if parts[2] else rest
    return Call(*find(word, rest.strip("\n") if "\n" in rest else rest.strip()))


# -- what Tab offers -----------------------------------------------------------------------------


def fragment(text: str) -> str:
    """Return the unfinished word at the end of ``text``, which a completion replaces."""
    if path := re.search(r"(?:^|\s)(\S*/\S*)$", text):
        return path[1]
    word = re.search(r"[^\W\d]\w*$", text)
    return word[0] if word else ""


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


def _commands(start: str) -> list[str]:
    names = [name for name in COMMANDS if name.startswith(start)]
    return names or [word for word in WORDS if word.startswith(start)]


async def _argument(
    talk: Talk, arguments: tuple[Argument, ...], rest: str, line: str, text: str
) -> list[str]:
    """Return what completes the argument that ends the line."""
    if not arguments:
        return []
    last = rest.split()[-1] if rest and not line[-1].isspace() else ""
    done = len(rest.split()) - bool(last)
    end = fragment(text)
    kind = arguments[min(done, len(arguments) - 1)].complete
    if kind == "python":
        return await _python(talk, rest)
    if kind == "condition":
        return _conditions(text, end) or await _python(talk, end)
    offered: dict[str, Callable[[], list[str]]] = {
        "command": lambda: _commands(end),
        "breakpoint": lambda: [str(number) for number in talk.session.breakpoints],
        "path": lambda: _paths(last),
        "export": lambda: [*(_kinds_of_files(last) if done < 2 else ()), *_paths(last)],
    }
    return offered.get(kind, list)()


def _kinds_of_files(start: str) -> list[str]:
    return [word for word in exporters.words() if word.startswith(start) and "/" not in start]


def _conditions(text: str, end: str) -> list[str]:
    last = text.rpartition(" ")[2]  # 'grad-no', of which 'no' is what a word replaces
    kept = len(last) - len(end)
    return [word[kept:] for word in conditions.words() if word.startswith(last)]


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
