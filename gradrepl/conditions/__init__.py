"""When to stop: one struct a kind. Breakpoints and the stepping verbs are both conditions.

A client reads them (``parse``), the engine asks them: ``condition.matches(event)`` asks an
:class:`Event` that the engine made of an op or a node. A new kind of breakpoint is one class in
``kinds``; a plugin brings one of the same. Here are the front door, typed text to a condition as in
``op relu and shape (64, -1), i > 100``, and the table of kinds.
"""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from functools import reduce

from gradrepl.conditions.base import *
from gradrepl.conditions.joined import *
from gradrepl.conditions.kinds import *
from gradrepl.errors import ConditionError, GradreplError

KINDS: dict[str, type[Kind]] = {}
"""By word, in all its spellings: ours, and those that plugins bring."""
_PLUGINS: dict[str, str] = {}
"""By word: the plugin that brings it."""


def enter(kind: type[Kind], plugin: str = "") -> None:
    """Take in a kind of breakpoint.

    Raises:
        ConditionError: a word means something already, or is none.
    """
    for word in (kind.word, *kind.also):
        if word in KINDS or not word.replace("-", "_").isidentifier():
            raise ConditionError(f"'{word}' cannot be a kind of breakpoint: it means another.")
        KINDS[word] = kind
        if plugin:
            _PLUGINS[word] = plugin


def leave(plugin: str) -> None:
    """Forget the kinds that a plugin has brought."""
    for word in [word for word, name in _PLUGINS.items() if name == plugin]:
        del KINDS[word], _PLUGINS[word]


for _kind in OURS:
    enter(_kind)


def kinds() -> list[type[Kind]]:
    """Return every kind once, in the order of the help."""
    return list(dict.fromkeys(KINDS.values()))


def words() -> list[str]:
    """Return the words that a condition may begin with."""
    return [word for word, kind in KINDS.items() if kind.form != "place"]


def usages() -> str:
    """Return how all kinds are written, for a hint."""
    written = ", ".join(kind.usage or kind.word for kind in kinds())
    return f"{written}; joined by 'and', 'or'; then ', PYTHON'"


def parse(text: str) -> Condition:
    """Return the condition that ``text`` spells.

    >>> parse("op relu and shape (64, -1), i > 100")  # doctest: +NORMALIZE_WHITESPACE
    Both(left=Both(left=OpIs(pattern='relu'), right=ShapeIs(shape=(64, -1))),
         right=Where(expression='i > 100'))

    Raises:
        ConditionError: it is none; the hint lists the kinds.
    """
    comma = (outside(text) + ",").index(",")
    spec, expression = text[:comma].strip(), text[comma + 1 :].strip()
    if not spec:
        raise ConditionError("a breakpoint needs a place or a condition.", f"One of {usages()}.")
    condition = _any_of(spec)
    if not condition.events():
        raise ConditionError(
            f"'{spec}' can never hold: its parts are about different things.",
            "An op has no leaf, a node has no line: join them with 'or'.",
        )
    return Both(condition, _where(expression)) if expression else condition


def _where(expression: str) -> Where:
    try:
        ast.parse(expression, mode="eval")
    except SyntaxError as error:
        raise ConditionError(
            f"the condition '{expression}' is not a Python expression: {error.msg}.",
            "Write what must be true after the comma, as in: b op relu, i > 100",
        ) from None
    return Where(expression)


def only_where(condition: Condition, expression: str) -> Condition:
    """Return ``condition`` where also ``expression`` is true, whatever was to be true before.

    Raises:
        ConditionError: that is no expression.
    """
    while isinstance(condition, Both) and isinstance(condition.right, Where):
        condition = condition.left
    return Both(condition, _where(expression)) if expression else condition


def outside(text: str) -> str:
    """Return ``text`` with '_' for all that stands in brackets or in quotes.

    >>> outside("f(a, b), 'x, y'")
    'f_____), ______'
    """
    depth, quote, shown = 0, "", []
    for at, char in enumerate(text):
        inside = bool(quote)
        if quote:
            quote = "" if char == quote and text[at - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        else:
            depth += (char in "([{") - (char in ")]}")
        shown.append("_" if depth or quote or inside else char)
    return "".join(shown)


def _split(text: str, word: str) -> list[str]:
    """Split at ``word`` where it stands alone outside of brackets."""
    parts, start = [], 0
    for match in re.finditer(rf"\s{word}\s", outside(text)):
        parts.append(text[start : match.start()].strip())
        start = match.end()
    return [*parts, text[start:].strip()]


def _any_of(text: str) -> Condition:
    return reduce(Either, map(_all_of, _split(text, "or")))


def _all_of(text: str) -> Condition:
    return reduce(Both, map(_clause, _split(text, "and")))


def _clause(text: str) -> Condition:
    """Read one kind: by its word, else as a place, else by a word that runs into its text."""
    word, _, rest = text.partition(" ")
    if (kind := KINDS.get(word)) is not None:
        if _fits(kind, rest.strip()):
            return _read(kind, word, rest.strip())
        if not rest and kind.form in ("text", "name"):
            raise ConditionError(f"'{word}' needs a word after it.", f"One of {usages()}.")
    for kind in kinds():
        with suppress(ValueError):
            if kind.form == "place":
                return kind.read(text)
    glued = re.match(r"([\w-]+)([<>(\[].*)", text)
    if glued and (kind := KINDS.get(glued[1])) is not None and kind.form == "text":
        return _read(kind, glued[1], glued[2])
    raise ConditionError(f"'{text}' is not a place or a condition.", f"One of {usages()}.")


def _fits(kind: type[Kind], text: str) -> bool:
    """May ``text`` stand behind the word of ``kind``?"""
    match kind.form:
        case "word":
            return not text
        case "name":
            return bool(text) and " " not in text
        case "text":
            return bool(text)
    return kind.form == "optional"


def _read(kind: type[Kind], word: str, text: str) -> Condition:
    text = word if kind.form == "word" else text
    try:
        condition = kind.read(text)
    except GradreplError:
        raise
    except Exception as error:  # the kind may be a plugin's
        raise ConditionError(
            f"'{word} {text}' is not understood: {error or type(error).__name__}.",
            f"Write: b {kind.usage}",
        ) from error
    if word not in _PLUGINS:
        return condition
    return Plugged(
        word=word,
        text=text,
        about=frozenset(kind.about),
        judges=frozenset(kind.judges),
        when=kind.when,
        node_when=kind.node_when,
    )
