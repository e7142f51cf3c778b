"""The same words in every kind of file: what a node is called, where its line is, what is wrong."""

from __future__ import annotations

from typing import Any

from gradrepl.draw.numbers import broken, number, seconds, shape
from gradrepl.model import NodeRow, Site

LONG = 60
"""Characters of a name that pictures show."""


def brief(text: str, most: int = LONG) -> str:
    """Return ``text`` on one line, cut in the middle where it is too long."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[: most - 1 - half]}…{text[-half:]}"


def place(site: Site | None) -> str:
    """Return 'train.py:27', or ''."""
    return site.place if site else ""


def finite(value: float | None) -> Any:
    """Return a float as JSON can have it: 'nan', 'inf' and '-inf' are words."""
    return str(value) if broken(value) else value


def problem(node: NodeRow) -> str:
    """Say what is wrong with a node, or nothing."""
    match node.problem:
        case "":
            return ""
        case "nan" | "inf":
            return f"gradient is {node.problem}"
        case "freed":
            return "saved values are freed"
    return f"a saved value was {node.problem}"


def facts(node: NodeRow) -> list[tuple[str, str]]:
    """Return all that is known of a node as (name, text); what is not known is left out."""
    where = place(node.site)
    edges = zip(node.to, node.inputs, strict=True)
    arrows = [f"#{to} input {place}" if to else "none" for to, place in edges]
    pairs = [
        ("problem", problem(node)),
        ("label", node.label),
        ("module", node.module),
        ("op", f"%{node.op} {node.op_name}" if node.op else ""),
        ("line", f"{where}  {node.site.text.strip()[:200]}" if node.site else ""),
        ("gradient", shape(node.shape)),
        ("norm", "" if node.norm is None else number(node.norm)),
        ("state", node.state),
        ("ran as", f"number {node.order}" if node.order else ""),
        ("took", seconds(node.seconds)),
        ("saved", ", ".join(node.saved)),
        ("goes to", ", ".join(arrows)),
        ("sequence", "" if node.sequence is None else str(node.sequence)),
    ]
    return [(name, text) for name, text in pairs if text]
