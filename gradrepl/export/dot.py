"""A graph in the language of Graphviz."""

from __future__ import annotations

from typing import TextIO

from gradrepl.export.door import GRAPH, exporter
from gradrepl.export.records import Graph
from gradrepl.export.words import brief, facts, place, problem
from gradrepl.model import TakenNode


@exporter("dot", of=GRAPH, suffix=(".dot", ".gv"), help="Graphviz: dot -Tsvg draws it")
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
        for to, number in node.to:
            if to:
                label = f' [taillabel="{number}"]' if number else ""
                file.write(f"  n{node.id} -> n{to}{label};\n")
    file.write("}\n")


def _node(node: TakenNode, indent: str) -> str:
    lines = [f"#{node.id} {node.name}", node.label if node.label != node.module else ""]
    lines.append(place(node.site))
    if node.leaf:
        lines[0] = f"leaf {node.label}"
        lines[1] = "" if node.shape is None else str(tuple(node.shape))
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
