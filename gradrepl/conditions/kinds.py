"""The kinds of breakpoint: one struct each has the word, the help, the reader and the question."""

from __future__ import annotations

import math
import re
import sys
from fnmatch import fnmatchcase
from typing import Self

from gradrepl.conditions.base import BATCH, LINE, NODE, OP, PASS, WATCH, Event, Kind, Norms
from gradrepl.errors import ConditionError
from gradrepl.model.health import NO_GRAD, PROBLEMS, VERDICTS

BAD = "bad"
"""Any verdict that something is wrong."""


# -- places: they have no word -----------------------------------------------------------------


class Line(Kind, frozen=True):
    """Before a line runs; an empty ``file`` is the current one. With ``op``: an op of that line."""

    file: str
    line: int
    word, form, usage = "line", "place", "LINE, FILE:LINE"
    help = "b 27, b train.py:27: before the line runs."
    about = frozenset({LINE})
    judges = frozenset({LINE, OP})
    when = "before"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read '27' or 'train.py:27'."""
        file, colon, line = text.rpartition(":")
        if not line.isdecimal() or (colon and not file):
            raise ValueError(text)
        return cls(file, int(line))

    def matches(self, event: Event) -> bool:
        return event.at(self.file, self.line)

    def in_file(self, file: str) -> Self:
        return self if self.file else type(self)(file, self.line)


class InFunction(Kind, frozen=True):
    """At the first line of a function of this name. With ``op``: an op inside of it."""

    function: str
    word, form, usage = "function", "place", "FUNCTION"
    help = "b forward: before the first line of a function of that name."
    about = frozenset({LINE})
    judges = frozenset({LINE, OP})
    when = "before"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the name of a function."""
        if not text.isidentifier():
            raise ValueError(text)
        return cls(text)

    def matches(self, event: Event) -> bool:
        return event.inside(self.function)


# -- ops and nodes, by name --------------------------------------------------------------------


class OpIs(Kind, frozen=True):
    """An op whose name matches a pattern."""

    pattern: str
    word, form, usage = "op", "name", "op PATTERN"
    help = "b op relu: after a call of torch's API by that name; op *_entropy takes any start."
    about = judges = frozenset({OP})

    def matches(self, event: Event) -> bool:
        return event.kind == OP and fnmatchcase(event.name, self.pattern)


class NodeIs(Kind, frozen=True):
    """A node whose name matches a pattern; ``AddmmBackward`` means ``AddmmBackward*``."""

    pattern: str
    word, form, usage = "node", "name", "node PATTERN"
    help = "b node Addmm*: before a node of the backward, by its class name."
    about = judges = frozenset({NODE})
    known = True

    def matches(self, event: Event) -> bool:
        """Is the node's name like the pattern, with or without its number?"""
        return event.kind == NODE and (
            fnmatchcase(event.name, self.pattern)
            or fnmatchcase(event.name.rstrip("0123456789"), self.pattern)
        )


class InModule(Kind, frozen=True):
    """An op or node inside a module: its path, or a pattern; ``encoder`` includes all below."""

    path: str
    word, also, form, usage = "mod", ("module",), "name", "mod PATH"
    help = "b mod fc1: at the first op of that module, and at its nodes in the backward."
    known = True

    def matches(self, event: Event) -> bool:
        return any(
            fnmatchcase(module, self.path) or fnmatchcase(module, self.path + ".*")
            for module in event.module_paths()
        )


class LeafIs(Kind, frozen=True):
    """The accumulation into a leaf."""

    name: str
    word, form, usage = "leaf", "name", "leaf NAME"
    help = "b leaf fc1.weight: in the backward, where this parameter's gradient is whole."
    about = judges = frozenset({NODE})
    known = True

    def matches(self, event: Event) -> bool:
        return any(fnmatchcase(leaf, self.name) for leaf in event.leaf_names())

    def only_leaves(self) -> bool:
        return True


class Named(Kind, frozen=True):
    """A variable's tensor: the op that used it or made it, the node behind it."""

    name: str
    word, form, usage = "name", "name", "name VARIABLE"
    help = (
        "b name h: after an op that h goes into or that writes to it, before the node that made it."
    )
    known = True

    def matches(self, event: Event) -> bool:
        return self.name in event.labels()


# -- what a value is ---------------------------------------------------------------------------


class NonFinite(Kind, frozen=True):
    """'nan' or 'inf' born here: in what was made, and not in what it was made of."""

    what: str
    word, also, form, usage = "nan", ("inf",), "word", "nan, inf"
    help = "b nan, b inf: after the op, or before the node, at which a NaN, an infinity is born."
    node_when = "any"

    def matches(self, event: Event) -> bool:
        return event.born(self.what)

    def only_roots(self, when: str) -> bool:
        """Before any other node, what is not finite has come from one that ran."""
        return when == "before"

    def quiet(self) -> Norms:
        return 0.0, sys.float_info.max


class NormIs(Kind, frozen=True):
    """A gradient (or, combined with ``op``, an output) whose L2 norm compares so."""

    limit: float
    below: bool = False
    word, also, usage = "norm", ("grad-norm",), "norm > X"
    help = "b norm > 10, b norm < 1e-6: before a node whose arriving gradient has such a norm."
    about = frozenset({NODE})

    @classmethod
    def read(cls, text: str) -> Self:
        """Read '> 10' or '< 1e-6'."""
        parts = re.fullmatch(r"([<>])=?\s*([-+.\w]+)", text)
        try:
            if parts:
                return cls(float(parts[2]), below=parts[1] == "<")
        except ValueError:
            pass
        raise ConditionError(f"'norm {text}' is not a limit.", "Write: b norm > 10")

    def quiet(self) -> Norms:
        return (self.limit, math.inf) if self.below else (-math.inf, self.limit)

    def matches(self, event: Event) -> bool:
        """Is any norm beyond the limit? A nan is."""
        if self.below:
            return any(norm < self.limit for norm in event.norms())
        return any(not norm <= self.limit for norm in event.norms())


class NoGradient(Kind, frozen=True):
    """At the end of a backward: a parameter got no gradient."""

    word, form, usage = "none", "word", "none"
    help = "b none: at the end of a backward in which a parameter got no gradient."
    about = judges = frozenset({PASS})

    def matches(self, event: Event) -> bool:
        return event.kind == PASS and bool(event.missing())


class VerdictIs(Kind, frozen=True):
    """At the end of a backward: a parameter has got this verdict, or with ``bad`` a bad one."""

    verdict: str
    word, usage = "verdict", "verdict WORD"
    help = (
        "b verdict vanishing: where ':watch grads' comes to that verdict on a parameter; "
        "'verdict bad' is any that is wrong."
    )
    about = frozenset({WATCH})
    judges = frozenset({WATCH, PASS})

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a verdict; 'none' is short for 'no gradient'."""
        word = " ".join(text.lower().split())
        word = {"none": NO_GRAD, "no-grad": NO_GRAD, "no_grad": NO_GRAD}.get(word, word)
        if word not in (*VERDICTS, BAD):
            raise ConditionError(
                f"'{text}' is not a verdict.", f"One of {', '.join((*VERDICTS, BAD))}."
            )
        return cls(word)

    def matches(self, event: Event) -> bool:
        wanted = PROBLEMS if self.verdict == BAD else (self.verdict,)
        return any(verdict in wanted for verdict in event.verdicts())


class ShapeIs(Kind, frozen=True):
    """An output or gradient of this shape; -1 is any size."""

    shape: tuple[int, ...]
    word, usage = "shape", "shape (64, -1)"
    help = "b shape (64, -1): after an op with a result of that shape; -1 is any size."

    @classmethod
    def read(cls, text: str) -> Self:
        """Read '(64, -1)', with or without the brackets."""
        sizes = re.fullmatch(r"[(\[]?([-\d\s,]*)[)\]]?", text)
        try:
            if sizes:
                return cls(tuple(int(size) for size in sizes[1].split(",") if size.strip()))
        except ValueError:
            pass
        raise ConditionError(f"'shape {text}' is not a shape.", "Write: b shape (64, -1)")

    def matches(self, event: Event) -> bool:
        return any(
            len(shape) == len(self.shape)
            and all(want in (-1, size) for want, size in zip(self.shape, shape, strict=True))
            for shape in event.shapes()
        )


# -- batches -----------------------------------------------------------------------------------


class BatchIs(Kind, frozen=True):
    """A DataLoader has handed over batch ``number`` of an epoch, counted from 0."""

    number: int
    word, usage = "batch", "batch N"
    help = "b batch 7: when the program gets batch 7 of an epoch from a DataLoader."
    about = judges = frozenset({BATCH})

    @classmethod
    def read(cls, text: str) -> Self:
        """Read the number of a batch."""
        if not text.isdecimal():
            raise ConditionError(f"'batch {text}' is not a batch number.", "Write: b batch 7")
        return cls(int(text))

    def matches(self, event: Event) -> bool:
        return event.kind == BATCH and event.number == self.number


class IndexIs(Kind, frozen=True):
    """A DataLoader has handed over a batch with this dataset index in it."""

    index: str
    word, usage = "index", "index I"
    help = "b index 40: when the program gets a batch with dataset[40] in it."
    about = judges = frozenset({BATCH})

    def matches(self, event: Event) -> bool:
        return event.kind == BATCH and self.index in event.indices()


class LabelIs(Kind, frozen=True):
    """A DataLoader has handed over a batch with a sample of this label in it."""

    label: str
    word, usage = "label", "label L"
    help = "b label cat: when the program gets a batch with a sample of that label in it."
    about = judges = frozenset({BATCH})

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a label, with or without quotes."""
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
        return cls(text[1:-1] if quoted else text)

    def matches(self, event: Event) -> bool:
        return event.kind == BATCH and self.label in event.targets()


OURS = tuple(Kind.__subclasses__())
"""Every kind above, in the order of the help."""
