"""Lines of text that know what each part means, not which colour it has.

A drawing is a list of lines, a line a list of spans ``(text, role)``. Roles become styles in one
place (:mod:`gradrepl.tui.panels.base`), so a drawing is tested by its characters, a name like
``[/b]`` is only text, and a theme changes nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.style import Style

Role = str | Style
Span = tuple[str, Role]
Line = list[Span]

ROLES = (
    "dim", "title", "name", "number", "here", "done", "ahead", "bad", "warn", "good", "leaf",
    "key", "module", "code", "string", "keyword", "comment",
)  # fmt: skip
"""Every role that a span may have; the style sheet has one component class for each."""

_GLYPHS = {
    "@": "●", "+": "✓╭╮╰╯┬┴├┤┼┌┐└┘┴", ".": "·", "*": "◆•", "o": "○", "O": "◉", "=": "◇",
    "|": "│┃", "-": "─━", ":": "┊", ">": "▶→", "v": "▼↓", "~": "…", "<": "←", "^": "↑",
    "#": "█▇▆", "x": "×", "u": "µμ", "s": "σ", "_": "▁▂▃", "%": "▄▅",
}  # fmt: skip
_ASCII = {ord(glyph): character for character, glyphs in _GLYPHS.items() for glyph in glyphs}
_CONTROL = {code: "␛" if code == 27 else "·" for code in (*range(32), *range(127, 160))}
_CONTROL |= {code: "·" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F)}
_CONTROL[9] = "    "


def clean(text: str) -> str:
    """Return ``text`` on one line, without characters that move a terminal's cursor."""
    return text.translate(_CONTROL)


def ascii_only(text: str) -> str:
    """Return ``text`` with our glyphs in the --ascii set."""
    return text.translate(_ASCII).replace("␛", "^")


def span(text: str, role: Role = "") -> Span:
    """Return a cleaned span."""
    return clean(text), role


def plain(line: Iterable[Span]) -> str:
    """Return the characters of ``line``."""
    return "".join(text for text, _ in line)


def width(line: Iterable[Span]) -> int:
    """Return how many cells ``line`` takes."""
    return sum(cell_len(text) for text, _ in line)


def clip(text: str, cells: int) -> str:
    """Return ``text`` in at most ``cells`` cells, an ellipsis where something was cut."""
    text = clean(text)
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, cells - 1) + "…" if cells > 0 else ""


def tail(text: str, cells: int) -> str:
    """Return the end of a dotted path in at most ``cells`` cells: it tells more than its front."""
    text = clean(text)
    while cell_len(text) > cells and "." in text:
        text = "…" + text.removeprefix("…").partition(".")[2]
    return clip(text, cells)


def pad(text: str, cells: int) -> str:
    """Return ``text`` in exactly ``cells`` cells."""
    return set_cell_size(clip(text, cells), cells)


def right(text: str, cells: int) -> str:
    """Return ``text`` at the right edge of exactly ``cells`` cells."""
    text = clip(text, cells)
    return " " * (cells - cell_len(text)) + text


def fit(line: Sequence[Span], cells: int) -> Line:
    """Return ``line`` in at most ``cells`` cells, an ellipsis where something was cut."""
    room, result = cells, list[Span]()
    for index, (text, role) in enumerate(line):
        size = cell_len(text)
        last = index == len(line) - 1
        if size > room or (size == room and not last and width(line[index + 1 :])):
            result.append((set_cell_size(text, max(0, room - 1)) + ("…" if room else ""), role))
            return result
        result.append((text, role))
        room -= size
    return result


def between(left: Sequence[Span], end: Sequence[Span], cells: int, must: bool = False) -> Line:
    """Return ``left`` and ``end`` at both edges of ``cells`` cells.

    Where it is too tight ``left`` is written closer; then ``end`` is left out, or with ``must``
    the ``left`` is cut.
    """
    if end and width(left) + width(end) >= cells:
        left = [(text.replace(", ", ","), role) for text, role in left]
    if must:
        left = fit(left, max(0, cells - width(end) - 1))
    gap = cells - width(left) - width(end)
    if gap >= 1 or not end:
        return [*fit(left, cells), (" " * max(0, gap), ""), *end]
    return fit(left, cells)


def wrap(line: Sequence[Span], cells: int, indent: int = 0) -> list[Line]:
    """Return ``line`` as lines of at most ``cells`` cells, broken at spaces where possible."""
    if width(line) <= cells or cells < 4:
        return [list(line)]
    lines: list[Line] = [[]]
    room = cells
    for text, role in line:
        for piece in _pieces(text, cells - indent):
            size = cell_len(piece)
            if size > room and piece.strip():
                lines.append([(" " * indent, "")] if indent else [])
                room, piece = cells - indent, piece.lstrip()
                size = cell_len(piece)
            elif size > room:
                continue
            lines[-1].append((piece, role))
            room -= size
    return lines


def _pieces(text: str, cells: int) -> list[str]:
    """Return words with the spaces before them, none wider than ``cells``."""
    words: list[str] = []
    start = 0
    for index in range(1, len(text)):
        if text[index] == " " and text[index - 1] != " ":
            words.append(text[start:index])
            start = index
    words.append(text[start:])
    return [piece for word in words for piece in chop_cells(word, max(1, cells))]


def paragraph(text: str, role: Role = "") -> list[Line]:
    """Return one line for each line of ``text``."""
    return [[span(part, role)] for part in text.split("\n")]
