"""torch's own table of derivatives, read from the installed torch once, when first asked for.

It lies beside torchgen as YAML of a very regular kind; a parser of YAML is not among torch's
requirements, so the lines are read here. The names of backward functions are made as torchgen
makes them: ``mul.Tensor`` and ``mul.Scalar`` are MulBackward0 and MulBackward1, in file order.
"""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

FILE = "packaged/autograd/derivatives.yaml"
_KEY = re.compile(r"( +)([\w, ]+):(?: +(.*))?$")


class Entry(NamedTuple):
    """One backward function."""

    signature: str
    """'mul.Tensor(Tensor self, Tensor other) -> Tensor'."""
    formulas: dict[str, str]
    """By input, or by inputs ('self, weight') that share one."""

    @property
    def schema(self) -> str:
        """'mul.Tensor'."""
        return self.signature.partition("(")[0]


class _Raw(NamedTuple):
    signature: str
    sections: dict[str, dict[str, list[str]]]
    """By dispatch key, the values by name, in pieces."""


def _entries(lines: list[str]) -> Iterator[_Raw]:
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    starts = [place for place, line in enumerate(lines) if line.startswith("- name:")]
    for first, last in pairwise([*starts, len(lines)]):
        signature = lines[first].removeprefix("- name:").strip()
        yield _Raw(signature, _sections(lines[first + 1 : last]))


def _sections(lines: list[str]) -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    section, depth = "Default", 2
    value: list[str] | None = None
    for line in lines:
        key = _KEY.match(line)
        indent, name, text = (len(key[1]), key[2], key[3] or "") if key else (-1, "", "")
        if (indent, name) == (2, "dispatch"):
            depth = 6
        elif (indent, depth) == (4, 6):
            section = name
        elif indent == depth:
            value = sections.setdefault(section, {}).setdefault(name, [])
            value.append(text)
        elif indent == 2:  # after a dispatch: of the entry as a whole
            value = None
        elif value is not None:
            value.append(line.strip())
    return sections


def arguments(signature: str) -> list[tuple[str, str]]:
    """Return (type, name) of each argument of a signature.

    >>> arguments("mul.Tensor(Tensor self, Tensor other=1) -> Tensor")
    [('Tensor', 'self'), ('Tensor', 'other')]
    """
    inside = signature.partition("(")[2].rpartition("->")[0].strip().removesuffix(")")
    parts = re.split(r",\s*(?![^(\[]*[)\]])", inside)
    words = [part.split("=")[0].split() for part in parts]
    return [(" ".join(each[:-1]), each[-1]) for each in words if len(each) > 1]


def _class_name(signature: str) -> str:
    name = re.split(r"[.(]", signature, maxsplit=1)[0]
    camel = "".join(part.title() for part in name.split("_"))
    return (camel + "Backward").replace("ForwardBackward", "Backward")


def parse(text: str) -> dict[str, Entry]:
    """Return the entries of the table by the names of their backward functions."""
    entries: dict[str, Entry] = {}
    numbers: Counter[str] = Counter()
    for raw in _entries(text.splitlines()):
        names = {name for _, name in arguments(raw.signature)}
        for section, values in raw.sections.items():
            formulas = {
                key: " ".join(" ".join(pieces).split()).strip('"')
                for key, pieces in values.items()
                if names.issuperset(key.replace(" ", "").split(","))
            }
            formulas = {k: text for k, text in formulas.items() if text != "non_differentiable"}
            if formulas:
                prefix = _class_name(raw.signature) + ("" if section == "Default" else section)
                entries[f"{prefix}{numbers[prefix]}"] = Entry(raw.signature, formulas)
                numbers[prefix] += 1
    return entries


@cache
def table() -> dict[str, Entry]:
    """Return the table of the installed torch; empty where it has none."""
    place = importlib.util.find_spec("torchgen")
    if place is None or place.origin is None:
        return {}
    file = Path(place.origin).parent / FILE
    try:
        return parse(file.read_text())
    except OSError:
        return {}


def named(name: str) -> list[str]:
    """Return the backward functions that ``name`` may mean: 'MulBackward0', 'mul', 'mul.Tensor'."""
    known = table()
    if name in known:
        return [name]
    like = [each for each, entry in known.items() if entry.schema == name]
    return like or [
        each
        for each, entry in known.items()
        if name in (entry.schema.partition(".")[0], each.rstrip("0123456789"))
    ]
