"""A graph as SVG: layered boxes in frames, one frame for each call of a module.

What a box is stands in words and glyphs, never in the colour alone. The file asks nothing of the
network, and follows the dark or light of whoever shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from gradrepl.draw.numbers import number
from gradrepl.export import exporter
from gradrepl.export.files import Graph
from gradrepl_drawings.folding import Group, Shape, drawn
from gradrepl_drawings.layout import Box, Line, Plan, plan, title
from gradrepl_drawings.screen import FONT
from gradrepl_drawings.words import brief, facts, place, problem

MOST = 4_000
"""Boxes in one picture."""
CHAR, LINE_HEIGHT, SIDE, MARGIN, HEAD = 6.65, 14.0, 9.0, 20.0, 34.0
WIDEST = 34

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1f2328",
    "dim": "#59636e",
    "edge": "#57606a",
    "box": "#f6f8fa",
    "inside": "#8c959f",
    "leaf": "#dafbe1",
    "leaf_edge": "#1a7f37",
    "wrong": "#ffebe9",
    "wrong_edge": "#cf222e",
    "here": "#ddf4ff",
    "here_edge": "#0969da",
}
DARK = {
    "paper": "#0d1117",
    "ink": "#e6edf3",
    "dim": "#9198a1",
    "edge": "#8b949e",
    "box": "#161b22",
    "inside": "#6e7681",
    "leaf": "#12261e",
    "leaf_edge": "#3fb950",
    "wrong": "#2d1214",
    "wrong_edge": "#f85149",
    "here": "#0c2d6b",
    "here_edge": "#58a6ff",
}


def _colours(of: dict[str, str]) -> str:
    """Return the rules that name colours; variables of CSS are not known to every viewer."""
    return (
        "#graph .paper{{fill:{paper}}}#graph text{{fill:{ink}}}#graph .dim{{fill:{dim}}}"
        "#graph .frame{{fill:{inside};stroke:{edge}}}#graph .box rect{{fill:{box};stroke:{edge}}}"
        "#graph .leaf rect{{fill:{leaf};stroke:{leaf_edge}}}"
        "#graph .here rect{{fill:{here};stroke:{here_edge}}}"
        "#graph .wrong rect{{fill:{wrong};stroke:{wrong_edge}}}"
        "#graph .line{{stroke:{edge}}}#graph .tip{{fill:{edge}}}"
    ).format(**of)


STYLE = (
    f"#graph{{font:11px {FONT}}}#graph text{{white-space:pre}}"
    "#graph .title{font-size:14px;font-weight:bold}"
    "#graph .frame{fill-opacity:.1;stroke-dasharray:4 3}#graph .line{fill:none;stroke-width:1.1}"
    "#graph .leaf rect,#graph .folded rect{stroke-width:1.5}"
    "#graph .here rect,#graph .wrong rect{stroke-width:2.5}"
    "#graph .folded rect{stroke-dasharray:6 2}#graph .later rect{stroke-dasharray:2 2}"
    f"{_colours(LIGHT)}@media (prefers-color-scheme:dark){{{_colours(DARK)}}}"
)


@exporter(
    "svg",
    of="graph",
    suffix=".svg",
    help="a picture: boxes in layers, framed by module",
    most=MOST,
)
def svg(record: Graph, file: TextIO) -> str | None:
    """Draw a graph."""
    group, note = drawn(record, MOST, "svg")
    picture(record, group, note, file)
    return note or None


def picture(record: Graph, group: Group, note: str, file: TextIO) -> None:
    """Write the SVG of a graph that is folded already."""
    whole = plan(group, _size)
    head = heading(record)
    if record.about.live:
        note = "  ".join(filter(None, (note, "dotted: has not run yet")))
    width = max(whole.width, CHAR * 1.3 * len(head), CHAR * len(note)) + 2 * MARGIN
    height = whole.height + 2 * MARGIN + HEAD
    file.write(
        f'<svg xmlns="http://www.w3.org/2000/svg" id="graph" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img">\n'
        f"<title>{escape(head)}</title>\n<style>{STYLE}</style>\n"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="tip" d="M0 0.5L8 4L0 7.5z"/></marker></defs>\n'
        f'<rect class="paper" width="100%" height="100%"/>\n'
        f'<text class="title" x="{MARGIN:g}" y="{MARGIN + 6:g}">{escape(head)}</text>\n'
    )
    if note:
        file.write(f'<text class="dim" x="{MARGIN:g}" y="{MARGIN + 22:g}">{escape(note)}</text>\n')
    left = MARGIN + (width - 2 * MARGIN - whole.width) / 2
    for part in (_frames, _lines, _boxes):
        file.writelines(part(whole, left, MARGIN + HEAD))
    file.write("</svg>\n")


def heading(record: Graph) -> str:
    """Return the line above the picture."""
    about = record.about
    counts = ((about.total, "node"), (about.edges, "edge"), (about.leaves, "leaf"))
    return f"{brief(record.title)}: {', '.join(_counted(*each) for each in counts)}"


def _counted(count: int, what: str) -> str:
    several = {"leaf": "leaves"}.get(what, f"{what}s")
    return f"{count:,} {what if count == 1 else several}"


def _frames(whole: Plan, x: float, y: float) -> Iterator[str]:
    for box in whole.boxes:
        if box.inner is None:
            continue
        left, top = x + box.x - box.width / 2, y + box.y
        yield (
            f'<rect class="frame" x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" '
            f'height="{box.height:.1f}" rx="6"/>\n'
            f'<text class="dim" x="{left + 8:.1f}" y="{top + 13:.1f}">'
            f"{escape(title(box.inner.group))}</text>\n"
        )
        yield from _frames(box.inner, left, top)


def _lines(whole: Plan, x: float, y: float) -> Iterator[str]:
    for line in whole.lines:
        tip = ' marker-end="url(#tip)"' if line.ends else ""
        yield f'<path class="line" data-to="{line.target}" d="{_path(line, x, y)}"{tip}/>\n'
        for cx, cy, count in line.counts:
            yield (
                f'<text class="dim" x="{x + cx + 5:.1f}" y="{y + cy + 11:.1f}">'
                f"&#215;{count}</text>\n"
            )
    for box in whole.boxes:
        if box.inner is not None:
            yield from _lines(box.inner, x + box.x - box.width / 2, y + box.y)


def _path(line: Line, x: float, y: float) -> str:
    """Return the pieces of a line; each starts a new one unless it goes on where it stands."""
    found: list[str] = []
    at = (0.0, 0.0)
    for x1, y1, x2, y2 in sorted(line.pieces, key=lambda piece: piece[3]):
        if at != (x1, y1) or not found:
            found.append(f"M{x + x1:.1f} {y + y1:.1f}")
        if abs(x1 - x2) < 0.05:
            found.append(f"V{y + y2:.1f}")
        else:
            bend = min(24.0, (y2 - y1) / 2)
            found.append(
                f"C{x + x1:.1f} {y + y1 + bend:.1f} {x + x2:.1f} {y + y2 - bend:.1f} "
                f"{x + x2:.1f} {y + y2:.1f}"
            )
        at = (x2, y2)
    return "".join(found)


def _boxes(whole: Plan, x: float, y: float) -> Iterator[str]:
    for box in whole.boxes:
        left, top = x + box.x - box.width / 2, y + box.y
        if box.inner is not None:
            yield from _boxes(box.inner, left, top)
        elif box.shape is not None:
            yield from _box(box.shape, box, left, top)


def _box(shape: Shape, box: Box, left: float, top: float) -> Iterator[str]:
    node = shape.node
    kinds = [
        "box",
        "leaf" * node.leaf,
        "folded" * (shape.count > 1),
        "here" * _is_here(shape),
        "later" * (node.state in ("predicted", "not asked for")),
        "wrong" * bool(node.problem),
    ]
    about = "\n".join(f"{name}: {text}" for name, text in facts(node))
    round_ = box.height / 2 if node.leaf else 4
    yield (
        f'<g class="{" ".join(filter(None, kinds))}" id="n{node.id}">'
        f"<title>{escape(f'#{node.id} {node.name}')}&#10;{escape(about)}</title>"
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        f'rx="{round_:g}"/>'
    )
    for at, text in enumerate(lines_of(shape)):
        dim = ' class="dim"' if at else ""
        yield (
            f'<text{dim} x="{left + SIDE:.1f}" y="{top + 15 + LINE_HEIGHT * at:.1f}">'
            f"{escape(text)}</text>"
        )
    yield "</g>\n"


def _is_here(shape: Shape) -> bool:
    return shape.node.state == "here"


def _size(shape: Shape) -> tuple[float, float]:
    lines = lines_of(shape)
    return max(map(len, lines)) * CHAR + 2 * SIDE, LINE_HEIGHT * len(lines) + 8


def lines_of(shape: Shape) -> list[str]:
    """Return the text of a box: what it is, which one, where it comes from, what is wrong."""
    node = shape.node
    if shape.count > 1:
        first = f"▣ {brief(node.label, WIDEST)}"
        about = f"{brief(node.name, WIDEST)}, {shape.count:,} nodes"
        return [first, about, *_wrong(shape)]
    if node.leaf:
        size = "" if node.shape is None else str(tuple(node.shape))
        about = " · ".join(filter(None, (f"#{node.id}", size, _norm(shape))))
        return [f"◇ leaf {brief(node.label, WIDEST)}", about, *_wrong(shape)]
    mark = "▶ here " if _is_here(shape) else "○ "
    found = [f"{mark}#{node.id} {brief(node.name, WIDEST)}"]
    where = " · ".join(filter(None, (brief(node.label, 16), place(node.site), _norm(shape))))
    return [*found, *([where] if where else []), *_wrong(shape)]


def _norm(shape: Shape) -> str:
    norm = shape.node.norm
    return "" if norm is None else f"|g| {number(norm)}"


def _wrong(shape: Shape) -> list[str]:
    return [f"! {problem(shape.node)}"] if shape.node.problem else []


_UNSAFE = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_TABLE = str.maketrans(
    {
        **_UNSAFE,
        **{chr(code): "\ufffd" for code in range(32) if chr(code) not in "\t\n\r"},
        "\x7f": "\ufffd",
        "\ufffe": "\ufffd",
        "\uffff": "\ufffd",
        **{chr(code): "\ufffd" for code in range(0xD800, 0xE000)},
    }
)


def escape(text: str) -> str:
    """Return ``text`` for XML and HTML, in text or in a quoted attribute."""
    return text.translate(_TABLE)
