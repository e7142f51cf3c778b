"""A graph as one HTML file: modules fold, a box searches, a click on a node tells all about it.

It asks nothing of the network. Folding and details are the browser's own and work without the
script, which only searches and follows clicks.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TextIO

from gradrepl.draw.numbers import number
from gradrepl.export import exporter
from gradrepl.export.files import Graph
from gradrepl_drawings.folding import Group, Shape, drawn
from gradrepl_drawings.layout import title
from gradrepl_drawings.svg import escape, heading, picture
from gradrepl_drawings.words import brief, facts, place, problem

MOST = 20_000
"""Nodes on one page."""
PICTURED = 500
"""Boxes up to which the page has the picture, too."""
DEEP = 2
"""Modules at this depth are folded at first, where there are many nodes."""
FEW = 60

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1f2328; --dim: #59636e; --line: #d1d9e0;
  --wrong: #cf222e; --here: #0969da; --leaf: #1a7f37; --soft: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --paper: #0d1117; --ink: #e6edf3; --dim: #9198a1;
  --line: #3d444d; --wrong: #f85149; --here: #58a6ff; --leaf: #3fb950; --soft: #161b22; } }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.45;
  font: 13px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
header { position: sticky; top: 0; background: var(--paper); padding: .8rem 1.2rem .6rem;
  border-bottom: 1px solid var(--line); z-index: 1; }
h1 { font-size: 1.15rem; margin: 0 0 .5rem; }
input, button { font: inherit; color: inherit; background: var(--soft); padding: .25rem .6rem;
  border: 1px solid var(--line); border-radius: 5px; }
input { width: min(28rem, 60vw); }
main { padding: .6rem 1.2rem 4rem; }
summary { cursor: pointer; padding: .1rem .3rem; border-radius: 4px; }
summary:hover { background: var(--soft); }
.m { margin-left: .9rem; border-left: 1px solid var(--line); }
.m > summary { font-weight: bold; }
.n { margin-left: 1.6rem; }
.n > summary { list-style: none; white-space: pre-wrap; }
.n > summary::-webkit-details-marker { display: none; }
.n:target > summary, .n[open] > summary { background: var(--soft); }
.leaf > summary { color: var(--leaf); }
.here > summary { color: var(--here); font-weight: bold; }
.wrong > summary { color: var(--wrong); font-weight: bold; }
.dim { color: var(--dim); font-weight: normal; }
dl { display: grid; grid-template-columns: 8rem 1fr; margin: .2rem 0 .8rem 1.4rem; gap: 0 .6rem; }
dt { color: var(--dim); }
dd { margin: 0; overflow-wrap: anywhere; }
a { color: inherit; }
.picture { overflow: auto; max-height: 75vh; border: 1px solid var(--line); border-radius: 6px; }
.picture .box { cursor: pointer; }
[hidden] { display: none !important; }
"""

SCRIPT = """
const rows = [...document.querySelectorAll('details.n')], said = document.getElementById('said');
const modules = [...document.querySelectorAll('details.m')], box = document.getElementById('q');
const text = rows.map(row => row.textContent.toLowerCase());
const wasOpen = modules.map(module => module.open);
box.addEventListener('input', () => {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let hits = 0;
  rows.forEach((row, i) => {
    row.hidden = !words.every(word => text[i].includes(word));
    hits += !row.hidden;
  });
  modules.forEach((module, i) => {
    module.hidden = words.length > 0 && !module.querySelector('details.n:not([hidden])');
    module.open = words.length ? true : wasOpen[i];
  });
  said.textContent = words.length ? `${hits} of ${rows.length}` : '';
});
function show(row) {
  for (let up = row; up; up = up.parentElement) if (up.tagName === 'DETAILS') up.open = true;
  row.scrollIntoView({block: 'center'});
}
function follow() {
  const row = document.getElementById(location.hash.slice(1));
  if (row) show(row);
}
addEventListener('hashchange', follow);
follow();
document.querySelectorAll('.picture .box').forEach(each => each.addEventListener('click', () => {
  location.hash = 'row' + each.id.slice(1);
}));
const all = open => () => modules.forEach(module => { module.open = open; });
document.getElementById('unfold').addEventListener('click', all(true));
document.getElementById('fold').addEventListener('click', all(false));
"""


@exporter(
    "html",
    of="graph",
    suffix=(".html", ".htm"),
    help="a page that folds and searches",
    most=MOST,
)
def html(record: Graph, file: TextIO) -> str | None:
    """Write a graph as a page."""
    group, note = drawn(record, MOST, "html")
    name = escape(heading(record))
    file.write(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{name}</title>\n<style>{STYLE}</style></head>\n<body><header><h1>{name}</h1>\n"
        '<input id="q" type="search" placeholder="search: relu fc1.weight train.py:27" '
        'aria-label="search" autofocus> <button id="unfold">unfold all</button> '
        '<button id="fold">fold all</button> <span id="said" role="status"></span>\n'
    )
    if note:
        file.write(f'<div class="dim">{escape(note)}</div>\n')
    file.write("</header><main>\n")
    _picture(record, file)
    open_to = DEEP if len(record.nodes) > FEW else 99
    file.writelines(_group(group, open_to))
    file.write(f"</main><script>{SCRIPT}</script></body></html>\n")
    return note or None


def _picture(record: Graph, file: TextIO) -> None:
    if len(record.nodes) > PICTURED:
        return
    group, note = drawn(record, PICTURED, "svg")
    out = io.StringIO()
    picture(record, group, note, out)
    opened = " open" if len(record.nodes) <= FEW else ""
    file.write(f"<details{opened}><summary>picture</summary>\n")
    file.write(f'<div class="picture">{out.getvalue()}</div></details>\n')


def _group(group: Group, open_to: int) -> Iterator[str]:
    for child in group.children:
        if isinstance(child, Shape):
            yield from _row(child)
            continue
        opened = " open" if open_to > 1 else ""
        count = _count(child)
        yield (
            f'<details class="m"{opened}><summary>{escape(title(child))} '
            f'<span class="dim">{count:,} nodes</span></summary>\n'
        )
        yield from _group(child, open_to - 1)
        yield "</details>\n"


def _count(group: Group) -> int:
    return sum(c.count if isinstance(c, Shape) else _count(c) for c in group.children)


def _row(shape: Shape) -> Iterator[str]:
    node = shape.node
    kinds = ["n", "leaf" * node.leaf, "here" * (node.state == "here"), "wrong" * bool(node.problem)]
    yield f'<details class="{" ".join(filter(None, kinds))}" id="row{node.id}"><summary>'
    yield escape(_first(shape))
    about = [place(node.site), "" if node.norm is None else f"|g| {number(node.norm)}", node.state]
    if node.problem:
        about.append(f"! {problem(node)}")
    yield f' <span class="dim">{escape("  ".join(filter(None, about)))}</span></summary><dl>'
    for name, text in facts(node):
        if name != "goes to":
            yield f"<dt>{name}</dt><dd>{escape(text)}</dd>"
    if shape.to:
        links = (f'<a href="#row{to}">#{to}</a>' for to in shape.to)
        yield f"<dt>goes to</dt><dd>{', '.join(links)}</dd>"
    yield "</dl></details>\n"


def _first(shape: Shape) -> str:
    node = shape.node
    if shape.count > 1:
        return f"▣ {brief(node.label)}  {node.name}, {shape.count:,} nodes"
    if node.leaf:
        size = "" if node.shape is None else f"  {tuple(node.shape)}"
        return f"◇ leaf #{node.id}  {brief(node.label)}{size}"
    mark = "▶ here" if node.state == "here" else "○"
    return f"{mark} #{node.id} {node.name}  {brief(node.label)}".rstrip()
