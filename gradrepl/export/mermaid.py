"""A graph as Mermaid, which GitHub draws in Markdown."""

from __future__ import annotations

from typing import TextIO

from gradrepl.export.door import GRAPH, exporter
from gradrepl.export.folding import Group, Shape, drawn, shapes_of
from gradrepl.export.layout import title
from gradrepl.export.records import Graph
from gradrepl.export.words import brief, place, problem

MOST = 200
"""Boxes that Mermaid draws in reasonable time."""
_SAFE = frozenset(" _.,:()[]{}+-*/=%!|@^~$?")


@exporter(
    "mermaid", of=GRAPH, suffix=(".mmd", ".mermaid"),
    help="for Markdown on GitHub; beyond 200 nodes folded by module", most=MOST,
)  # fmt: skip
def mermaid(record: Graph, file: TextIO) -> str | None:
    """Write a flow chart, from the loss down."""
    group, note = drawn(record, MOST, "mermaid")
    file.write("flowchart TD\n")
    if note:
        file.write(f"%% {note}\n")
    number = 0

    def write(inside: Group, indent: str) -> None:
        nonlocal number
        for child in inside.children:
            if isinstance(child, Shape):
                file.write(_box(child, indent))
                continue
            number += 1
            file.write(f'{indent}subgraph m{number}["{entities(brief(title(child)))}"]\n')
            write(child, indent + "  ")
            file.write(f"{indent}end\n")

    write(group, "  ")
    wrong = []
    for shape in shapes_of(group):
        if shape.node.problem:
            wrong.append(f"n{shape.node.id}")
        for to, count in shape.to.items():
            label = f'|"{count} edges"| ' if count > 1 else ""
            file.write(f"  n{shape.node.id} --> {label}n{to}\n")
    if wrong:
        file.write(f"  classDef wrong stroke-width:4px\n  class {','.join(wrong)} wrong\n")
    return note or None


def _box(shape: Shape, indent: str) -> str:
    node = shape.node
    if shape.count > 1:
        lines = [node.label, f"{node.name}, {shape.count} nodes"]
    elif node.leaf:
        lines = [f"leaf {node.label}", "" if node.shape is None else str(tuple(node.shape))]
    else:
        lines = [f"#{node.id} {node.name}", node.label, place(node.site)]
    if node.problem:
        lines.append(f"! {problem(node)}")
    text = "<br/>".join(entities(brief(line)) for line in lines if line)
    left, right = ("([", "])") if node.leaf else ("[[", "]]") if shape.count > 1 else ("[", "]")
    return f'{indent}n{node.id}{left}"{text}"{right}\n'


def entities(text: str) -> str:
    """Return ``text`` for a quoted label: what Mermaid or Markdown might take for its own is #N;"""
    return "".join(char if (char.isalnum() or char in _SAFE) else f"#{ord(char)};" for char in text)
