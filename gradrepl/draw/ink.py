"""Lines of text that know what each part means, not which colour it has.

A drawing is a list of lines, a line a list of spans ``(text, role)``. The prompt and the screen
give roles their styles, so a drawing is tested by its characters, a name like ``[/b]`` is only
text, and a theme changes nothing here. A width of ``None`` is as wide as it takes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, zip_longest

Role = Hashable
"""A word of ``ROLES``, a pair of brightnesses (of a picture), or a style of the client's own."""
Span = tuple[str, Role]
Line = list[Span]


class Row(list[Span]):
    """A line of a table or picture: it may be cut or scrolled, but it is never broken."""


ROLES = (
    "dim", "title", "name", "number", "here", "done", "ahead", "bad", "warn", "good", "leaf",
    "key", "module", "code", "string", "keyword", "comment",
)  # fmt: skip
"""Every role that has a name; each client has one style for each."""

_GLYPHS = {
    "@": "●", "+": "✓╭╮╰╯┬┴├┤┼┌┐└┘┴▒", ".": "·", "*": "◆•", "o": "○", "O": "◉", "=": "◇",
    "|": "│┃", "-": "─━", ":": "┊", ">": "▶→", "v": "▼↓", "~": "…", "<": "←", "^": "↑␛",
    "#": "█▇▆", "x": "×", "u": "µμ", "s": "σ", "_": "▁▂▃", "%": "▄▅", "e": "∈",
}  # fmt: skip
_ASCII = {ord(glyph): character for character, glyphs in _GLYPHS.items() for glyph in glyphs}
_CONTROL = {code: "␛" if code == 27 else "·" for code in (*range(32), *range(127, 160))}
_CONTROL |= {code: "·" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)}
_CONTROL |= dict.fromkeys(range(0xD800, 0xE000), "�")  # halves of characters cannot be written
_CONTROL[9] = "    "


# -- one text ------------------------------------------------------------------------------------


def clean(text: str) -> str:
    r"""Return ``text`` on one line, without characters that move a terminal's cursor.

    >>> clean("a\nb")
    'a·b'
    """
    return text if text.isascii() and text.isprintable() else text.translate(_CONTROL)


def listed(*texts: str, gap: str = ", ") -> str:
    """Return the texts that are not empty, joined.

    >>> listed("disabled", "", "hit once")
    'disabled, hit once'
    """
    return gap.join(filter(None, texts))


def ascii_only(text: str) -> str:
    """Return ``text`` with our glyphs in the --ascii set."""
    return text if text.isascii() else text.translate(_ASCII)


@lru_cache(maxsize=4096)
def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cell_len(text: str) -> int:
    """Return how many cells ``text`` takes.

    >>> cell_len("x"), cell_len("張")
    (1, 2)
    """
    return len(text) if text.isascii() else sum(map(_cells, text))


def _head(text: str, cells: int) -> str:
    """Return as much of the begin of ``text`` as fits in ``cells`` cells."""
    if text.isascii():
        return text[: max(0, cells)]
    for at, character in enumerate(text):
        cells -= _cells(character)
        if cells < 0:
            return text[:at]
    return text


def clip(text: str, cells: int) -> str:
    """Return ``text`` in at most ``cells`` cells, an ellipsis where something was cut.

    >>> clip("a long name", 6)
    'a lon…'
    """
    text = clean(text[: 4 * cells + 8] if len(text) > 4096 else text)
    if cell_len(text) <= cells:
        return text
    return pad(_head(text, cells - 1), cells - 1) + "…" if cells > 0 else ""


def tail(text: str, cells: int) -> str:
    """Return the end of a dotted path in at most ``cells`` cells: it tells more than its front."""
    text = clean(text)
    while cell_len(text) > cells and "." in text:
        text = "…" + text.removeprefix("…").partition(".")[2]
    return clip(text, cells)


def first_words(text: str, cells: int) -> str:
    """Return as many words of ``text`` as fit in ``cells`` cells.

    >>> first_words("saved at v0 of w", 12)
    'saved at v0'
    """
    while cell_len(text) > cells and " " in text:
        text = text.rpartition(" ")[0]
    return text.removesuffix(" of").removesuffix(",")


def pad(text: str, cells: int) -> str:
    """Return ``text`` in exactly ``cells`` cells."""
    text = clip(text, cells)
    return text + " " * (cells - cell_len(text))


def right(text: str, cells: int) -> str:
    """Return ``text`` at the right edge of exactly ``cells`` cells."""
    text = clip(text, cells)
    return " " * (cells - cell_len(text)) + text


# -- one line ------------------------------------------------------------------------------------


def span(text: str, role: Role = "") -> Span:
    """Return a cleaned span."""
    return clean(text), role


def join(*parts: str | Span, gap: str = "  ") -> Line:
    """Return the parts that are not empty as one line, cleaned, ``gap`` between them.

    >>> plain(join("relu", "", ("train.py:27", "dim")))
    'relu  train.py:27'
    """
    made: Line = []
    for part in parts:
        text, role = (part, "") if isinstance(part, str) else part
        if text:
            made += [(gap, "")] if made else []
            made.append(span(text, role))
    return made


def behind(line: Line, *more: Line) -> Line:
    """Return ``line``, and behind it each of ``more`` that is not empty."""
    for each in more:
        line = [*line, ("  ", ""), *each] if each else line
    return line


def plain(line: Iterable[Span]) -> str:
    """Return the characters of ``line``."""
    return "".join(text for text, _ in line)


def width(line: Iterable[Span]) -> int:
    """Return how many cells ``line`` takes."""
    return sum(cell_len(text) for text, _ in line)


def fit(line: Sequence[Span], cells: int | None) -> Line:
    """Return ``line`` in at most ``cells`` cells, an ellipsis where something was cut."""
    result: Line = Row() if isinstance(line, Row) else []
    if cells is None or width(line) <= cells:
        result += line
        return result
    room = cells
    for text, role in line:
        size = cell_len(text)
        if size >= room:
            result.append((pad(_head(text, room - 1), room - 1) + "…" if room > 0 else "", role))
            return result
        result.append((text, role))
        room -= size
    return result


def between(
    left: Sequence[Span], end: Sequence[Span], cells: int | None, must: bool = False
) -> Line:
    """Return ``left`` and ``end`` at both edges of ``cells`` cells.

    Where it is too tight ``left`` is written closer; then ``end`` is left out, or with ``must``
    the ``left`` is cut.
    """
    if cells is None:
        return [*left, *([("  ", ""), *end] if end else [])]
    if end and width(left) + width(end) >= cells:
        left = [(text.replace(", ", ","), role) for text, role in left]
    if must:
        left = fit(left, max(0, cells - width(end) - 1))
    gap = cells - width(left) - width(end)
    if gap >= 1 or not end:
        return [*fit(left, cells), (" " * max(0, gap), ""), *end]
    return fit(left, cells)


def runs(text: str, role_of: Mapping[str, Role], role: Role = "") -> Line:
    """Return ``text`` as spans, each character in its role of ``role_of``, or in ``role``.

    >>> runs("ab!", {"!": "bad"})
    [('ab', ''), ('!', 'bad')]
    """
    alike = groupby(text, lambda character: role_of.get(character, role))
    return [("".join(characters), own) for own, characters in alike]


# -- several lines -------------------------------------------------------------------------------


def wrap(line: Sequence[Span], cells: int | None, indent: int = 0) -> list[Line]:
    """Return ``line`` as lines of at most ``cells`` cells.

    It is broken at a gap of two spaces if there is one not too far from the edge, else at a space,
    else anywhere.

    >>> [plain(part) for part in wrap([("min 0  max 3.12  ", ""), ("mean 0.4", "number")], 20, 2)]
    ['min 0  max 3.12', '  mean 0.4']
    """
    if cells is None or cells < 4 or width(line) <= cells:
        return [list(line)]
    text = plain(line)
    lines: list[Line] = []
    start, room, lead = 0, cells, ""
    spans = _Cut(line)
    while start < len(text):
        end = start + _breaking(text[start : start + 4 * cells], room)
        part = spans.take(start, end)
        lines.append([(lead, ""), *part] if lead else part)
        start = end
        while text[start : start + 1] == " ":
            start += 1
        room, lead = max(1, cells - indent), " " * indent
    return lines


def _breaking(text: str, cells: int) -> int:
    """Return how many characters of ``text`` stand on a line of so many cells."""
    fitting = len(_head(text, cells))
    if fitting >= len(text):
        return len(text)
    gap = text.rfind("  ", cells // 3, fitting + 1)
    space = text.rfind(" ", 1, fitting + 1)
    at = gap if gap > 0 else space
    begun = len(text) - len(text.lstrip(" "))
    return at if at > begun else max(1, fitting)


class _Cut:
    """Cuts the spans of a line at characters that come one behind the other."""

    def __init__(self, line: Sequence[Span]) -> None:
        self._spans, self._at, self._first = line, 0, 0

    def take(self, start: int, end: int) -> Line:
        """Return what stands from ``start`` to ``end``."""
        part: Line = []
        while self._at < len(self._spans):
            text, role = self._spans[self._at]
            cut = text[max(0, start - self._first) : max(0, end - self._first)]
            if cut:
                part.append((cut, role))
            if self._first + len(text) > end:
                break
            self._first += len(text)
            self._at += 1
        return part


def pack(parts: Sequence[Line], cells: int | None, gap: int = 2) -> list[Line]:
    """Return ``parts`` side by side, on as many lines as they need."""
    lines: list[Line] = []
    for part in parts:
        if lines and (cells is None or width(lines[-1]) + gap + width(part) <= cells):
            lines[-1] = [*lines[-1], (" " * gap, ""), *part]
        else:
            lines.append(list(part))
    return lines


def beside(left: Sequence[Line], right: Sequence[Line], column: int) -> list[Line]:
    """Return two columns, the second one from cell ``column`` on."""
    pairs = zip_longest(left, right, fillvalue=list[Span]())
    return [[*a, (" " * (column - width(a)), ""), *b] for a, b in pairs]


def paragraph(text: str, role: Role = "") -> list[Line]:
    """Return one line for each line of ``text``."""
    return [[span(part, role)] for part in text.split("\n")]
