"""What Tab offers: commands, their arguments, and Python names that the engine knows."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from gradrepl import conditions, model, protocol
from gradrepl.commands.registry import COMMANDS, WORDS, Argument, split_word
from gradrepl.errors import GradreplError

if TYPE_CHECKING:
    from gradrepl.commands.conversation import Conversation


def fragment(text: str) -> str:
    """Return the unfinished word at the end of ``text``, which a completion replaces."""
    if path := re.search(r"(?:^|\s)(\S*/\S*)$", text):
        return path[1]
    found = re.search(r"[^\W\d]\w*$", text)
    return found[0] if found else ""


async def complete(talk: Conversation, text: str) -> list[str]:
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
    from gradrepl.export.door import words

    last = rest.split()[-1] if rest and not line[-1].isspace() else ""
    kinds = [word for word in ["on", "off", *words()] if word.startswith(last)]
    return (kinds if len(rest.split()) - bool(last) < 2 and "/" not in last else []) + _paths(last)


def _commands(start: str) -> list[str]:
    found = [name for name in COMMANDS if name.startswith(start)]
    return found or [word for word in WORDS if word.startswith(start)]


async def _argument(
    talk: Conversation, arguments: tuple[Argument, ...], rest: str, line: str, text: str
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
            return [str(number) for number in talk.memory.breakpoints]
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


async def _python(talk: Conversation, text: str) -> list[str]:
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
