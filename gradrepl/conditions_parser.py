"""Typed text to a condition: ``op relu and shape (64, -1), i > 100``."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from gradrepl import conditions as c
from gradrepl.errors import ConditionError
from gradrepl.model.health import NO_GRAD, VERDICTS

KINDS = (
    "LINE, FILE:LINE, FUNCTION, op PATTERN, node PATTERN, mod PATH, leaf NAME, name VARIABLE, "
    "nan, inf, norm > X, none, verdict WORD, shape (64, -1), "
    "batch N, index I, label L; joined by 'and', 'or'; then ', PYTHON'"
)


def parse(text: str) -> c.Condition:
    """Return the condition that ``text`` spells.

    Raises:
        ConditionError: it is none; the hint lists the kinds.
    """
    spec, _, expression = _split_comma(text)
    if not spec:
        raise ConditionError("a breakpoint needs a place or a condition.", f"One of {KINDS}.")
    condition = _parse_or(spec)
    if not c.events(condition):
        raise ConditionError(
            f"'{spec}' can never hold: its parts are about different things.",
            "An op has no leaf, a node has no line: join them with 'or'.",
        )
    if expression:
        try:
            ast.parse(expression, mode="eval")
        except SyntaxError as error:
            raise ConditionError(
                f"the condition '{expression}' is not a Python expression: {error.msg}.",
                "Write what must be true after the comma, as in: b op relu, i > 100",
            ) from None
        condition = c.Where(condition, expression)
    return condition


def _depths(text: str) -> Iterator[tuple[int, int]]:
    """Yield (index, bracket depth) for each character outside of quotes."""
    depth, quote = 0, ""
    for index, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
            continue
        if char in "'\"":
            quote = char
        depth += (char in "([{") - (char in ")]}")
        yield index, depth


def _split_comma(text: str) -> tuple[str, str, str]:
    for index, depth in _depths(text):
        if depth == 0 and text[index] == ",":
            return text[:index].strip(), ",", text[index + 1 :].strip()
    return text.strip(), "", ""


def _split_word(text: str, word: str) -> list[str]:
    """Split at ``word`` where it stands alone outside of brackets."""
    outside = {index for index, depth in _depths(text) if depth == 0}
    parts, start = [], 0
    for found in re.finditer(rf"\s{word}\s", text):
        if found.start() in outside:
            parts.append(text[start : found.start()].strip())
            start = found.end()
    return [*parts, text[start:].strip()]


def _parse_or(text: str) -> c.Condition:
    first, *rest = map(_parse_and, _split_word(text, "or"))
    for other in rest:
        first = c.Either(first, other)
    return first


def _parse_and(text: str) -> c.Condition:
    first, *rest = map(_parse_clause, _split_word(text, "and"))
    for other in rest:
        first = c.Both(first, other)
    return first


def _norm(rest: str) -> c.Condition:
    found = re.fullmatch(r"([<>])=?\s*([-+.\w]+)", rest)
    try:
        if found:
            return c.NormIs(float(found[2]), below=found[1] == "<")
    except ValueError:
        pass
    raise ConditionError(f"'norm {rest}' is not a limit.", "Write: b norm > 10")


def _shape(rest: str) -> c.Condition:
    found = re.fullmatch(r"[(\[]?([-\d\s,]*)[)\]]?", rest)
    if found:
        try:
            return c.ShapeIs(tuple(int(size) for size in found[1].split(",") if size.strip()))
        except ValueError:
            pass
    raise ConditionError(f"'shape {rest}' is not a shape.", "Write: b shape (64, -1)")


def _verdict(rest: str) -> c.Condition:
    word = " ".join(rest.lower().split())
    word = {"none": NO_GRAD, "no-grad": NO_GRAD, "no_grad": NO_GRAD}.get(word, word)
    if word not in (*VERDICTS, c.BAD):
        known = ", ".join((*VERDICTS, c.BAD))
        raise ConditionError(f"'{rest}' is not a verdict.", f"One of {known}.")
    return c.VerdictIs(word)


def _batch(rest: str) -> c.Condition:
    if not rest.isdecimal():
        raise ConditionError(f"'batch {rest}' is no number of a batch.", "Write: b batch 7")
    return c.BatchIs(int(rest))


def _label(rest: str) -> c.Condition:
    quoted = len(rest) > 1 and rest[0] == rest[-1] and rest[0] in "'\""
    return c.LabelIs(rest[1:-1] if quoted else rest)


Read = Callable[[str], c.Condition]
"""Makes a condition of what follows its word."""
_READ: dict[str, tuple[Read, str]] = {}
"""By word: how it is read, and the plugin that brings it; '' for our own."""


def enter(word: str, read: Read, plugin: str = "") -> None:
    """Take in a kind of breakpoint: ``b WORD TEXT``.

    Raises:
        ConditionError: the word means something already, or is none.
    """
    if word in _READ or word in ("nan", "inf", "none") or not word.replace("-", "_").isidentifier():
        raise ConditionError(f"'{word}' cannot be a kind of breakpoint: it means another.")
    _READ[word] = read, plugin


def leave(plugin: str) -> None:
    """Forget the kinds that a plugin has brought."""
    for word in [word for word, (_, of) in _READ.items() if of == plugin]:
        del _READ[word]


_OURS: dict[str, Read] = {
    "op": c.OpIs, "node": c.NodeIs, "mod": c.InModule, "module": c.InModule, "leaf": c.LeafIs,
    "name": c.Named, "norm": _norm, "grad-norm": _norm, "shape": _shape, "verdict": _verdict,
    "batch": _batch, "index": c.IndexIs, "label": _label,
}  # fmt: skip
for _word, _read in _OURS.items():
    enter(_word, _read)


def _parse_clause(text: str) -> c.Condition:
    word, _, rest = text.partition(" ")
    rest = rest.strip()
    if text in ("nan", "inf"):
        return c.NonFinite(text)
    if text == "none":
        return c.NoGradient()
    read, plugin = _READ.get(word, (None, ""))
    if read is not None and plugin:  # it may need nothing after its word
        return read(rest)
    one_word = word in ("op", "node", "mod", "module", "leaf", "name")
    if read is not None and rest and not (one_word and " " in rest):
        return read(rest)
    if text.isdecimal():
        return c.Line("", int(text))
    if found := re.fullmatch(r"(.+):(\d+)", text):
        return c.Line(found[1], int(found[2]))
    if found := re.match(r"(norm|grad-norm|shape)\s*(.+)", text):
        return _READ[found[1]][0](found[2])
    if read is not None and not rest:
        raise ConditionError(f"'{word}' needs a word after it.", f"One of {KINDS}.")
    if text.isidentifier():
        return c.InFunction(text)
    raise ConditionError(f"'{text}' is not a place or a condition.", f"One of {KINDS}.")
