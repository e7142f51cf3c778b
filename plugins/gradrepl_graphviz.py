"""``:export graph.dot`` for Graphviz, ``:export graph.mmd`` for Mermaid, which GitHub draws."""

from typing import TextIO

import gradrepl
from gradrepl.export import exporter
from gradrepl.export.files import Graph
from gradrepl.model import NodeRow
from gradrepl_drawings.folding import Group, Shape, drawn, shapes_of
from gradrepl_drawings.layout import title
from gradrepl_drawings.words import brief, facts, place, problem

MOST = 200
"""Boxes that Mermaid draws in reasonable time."""
HELP = "for Markdown on GitHub; beyond 200 nodes folded by module"
_SAFE = frozenset(" _.,:()[]{}+-*/=%!|@^~$?")


@exporter("dot", of="graph", suffix=(".dot", ".gv"), help="Graphviz: dot -Tsvg draws it")
def dot(record: Graph, file: TextIO) -> None:
    """Write every node and every edge, each module's as a cluster."""
    file.write(
        f'digraph "{quoted(brief(record.title))}" {{\n'
        '  node [shape=box, style=rounded, fontname="monospace", fontsize=10];\n'
        "  edge [arrowsize=0.6];\n"
    )
    clusters, path = 0, ""
    for node in record.nodes:
        if node.module != path:
            file.write("  }\n" if path else "")
            path = node.module
            if path:
                clusters += 1
                file.write(f'  subgraph "cluster_{clusters}" {{ label="{quoted(brief(path))}";\n')
        file.write(_node(node, "    " if path else "  "))
    file.write("  }\n" if path else "")
    for node in record.nodes:
        for to, number in zip(node.to, node.inputs, strict=True):
            if to:
                label = f' [taillabel="{number}"]' if number else ""
                file.write(f"  n{node.id} -> n{to}{label};\n")
    file.write("}\n")


def _node(node: NodeRow, indent: str) -> str:
    lines = [f"#{node.id} {node.name}", node.label if node.label != node.module else ""]
    if node.leaf:
        lines = [f"leaf {node.label}", "" if node.shape is None else str(tuple(node.shape))]
    lines.append(place(node.site))
    look = ", shape=ellipse, style=bold" if node.leaf else ""
    if node.problem:
        lines.append(f"! {problem(node)}")
        look += ", penwidth=3, color=red"
    label = "\\n".join(quoted(brief(line)) for line in lines if line)
    tip = "\\n".join(f"{name}: {quoted(text)}" for name, text in facts(node))
    return f'{indent}n{node.id} [label="{label}", tooltip="{tip}"{look}];\n'


def quoted(text: str) -> str:
    """Return ``text`` for a quoted string, where a backslash begins an escape."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "")
    return "\\n".join(text.splitlines())


@exporter("mermaid", of="graph", suffix=(".mmd", ".mermaid"), help=HELP, most=MOST)
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


@gradrepl.hookimpl
def gradrepl_exporters():
    return [dot, mermaid]
