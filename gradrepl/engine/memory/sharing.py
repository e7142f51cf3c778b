"""What two tensors have to do with each other, in one sentence that is true."""

from __future__ import annotations

from typing import Any

import torch

from gradrepl import protocol as p
from gradrepl.draw.numbers import size
from gradrepl.engine.explain.source import at
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import without_gc
from gradrepl.engine.memory import layout, relations, storages
from gradrepl.engine.memory.layout import Piece
from gradrepl.engine.memory.owners import GRADIENT, PARAMETER
from gradrepl.engine.memory.survey import Survey, pieces_of
from gradrepl.engine.session import Session, on
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures
from gradrepl.model import Sharing

ELSEWHERE, CLONE, COMPUTED, SEPARATE = "same storage, other bytes", "clone", "computed", "separate"
EQUAL = 1 << 20
"""Elements up to which two tensors are compared."""
COUNTERS = {
    True: "one version counter: autograd notices a write through either",
    False: "each has its own version counter: a write through one is unseen by autograd",
    None: "at least one has no version counter: autograd cannot notice a write",
}


@on(p.AskSharing)
def _(request: p.AskSharing, session: Session, place: Place) -> Sharing:
    names = [request.a, request.b]
    values = [session.evaluate(text, place) for text in names]
    with figures.quiet(), without_gc():
        survey = Survey(session, place)
        a, b = (pieces_of(*each, survey.pieces) for each in zip(names, values, strict=True))
        return Pair(survey, names, values, a, b).record()


class Pair:
    """Two tensors (or arrays) under the names that they were asked for by."""

    def __init__(
        self, survey: Survey, names: list[str], values: list[Any], a: list[Piece], b: list[Piece]
    ) -> None:
        self.survey = survey
        self.names = names
        self.values = values
        self.meeting = [(one, other) for one in a for other in b if _same_memory(one, other)]
        """Pieces of the two that lie in one memory: a sparse tensor has several."""
        self.a, self.b = self.meeting[0] if self.meeting else (a[0], b[0])
        common = []
        for one, other in self.meeting:
            begin = min(one.begin(), other.begin())
            common.append(layout.overlap(one.layout(begin), other.layout(begin)))
        self.overlap, self.exact = sum(n for n, _ in common), all(exact for _, exact in common)
        both = all(isinstance(value, torch.Tensor) for value in values)
        self.one_counter = relations.same_counter(*values) if both else None
        self.flow, self.path = self._flow() if both else ("", [])
        self.kind = self._kind()

    # -- facts -------------------------------------------------------------------------------

    def record(self) -> Sharing:
        """Return what is true of the two."""
        ids = [
            self.survey.known.ids.of(p.storage) for p in (self.a, self.b) if p.storage is not None
        ]
        return Sharing(
            a=self.names[0],
            b=self.names[1],
            kind=self.kind,
            same_storage=bool(self.meeting),
            overlap=self.overlap,
            exact=self.exact,
            same_counter=self.one_counter,
            gradient=self.flow,
            writes_seen=bool(self.one_counter) if self.overlap else None,
            sentence=self._sentence(),
            storages=tuple(dict.fromkeys(ids)),
        )

    def _flow(self) -> tuple[str, list[str]]:
        """Return 'b -> a' where gradient flows from b to a, and through which nodes."""
        a, b = self.values
        if a is b:
            return "", []
        first, second = self.names
        there, back = relations.gradient_path(b, a), relations.gradient_path(a, b)
        if there is not None:
            return f"{second} -> {first}", there
        return ("", []) if back is None else (f"{first} -> {second}", back)

    def _kind(self) -> str:
        if self.values[0] is self.values[1]:
            if self._owners().count(PARAMETER) > 1 and not any(map(str.isidentifier, self.names)):
                return storages.TIED
            return storages.NUMPY if self.a.storage is None else storages.ALIAS
        if self.overlap or (self.meeting and self.a.size == 0):
            one, other = (self.b, self.a) if self._first_is_base() else (self.a, self.b)
            return storages.relation(one, other, self.one_counter)
        if self.meeting:
            return ELSEWHERE
        if self.path:
            return CLONE if _copying(self.path) else COMPUTED
        return SEPARATE

    def _owners(self) -> list[str]:
        """Return the owners of all names of the one tensor that was asked for twice."""
        return [piece.owner for piece in self.survey.pieces if piece.value is self.values[0]]

    def _first_is_base(self) -> bool:
        a, b = self.a.value, self.b.value
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
            detached = storages.root(a) is not storages.root(b)
            if detached and a.requires_grad != b.requires_grad:
                return bool(a.requires_grad)
        return storages.base_of([self.a, self.b]) == 0

    # -- the sentence ------------------------------------------------------------------------

    def _sentence(self) -> str:
        if self.values[0] is self.values[1]:
            return self._one_tensor()
        if self.kind == ELSEWHERE:
            return self._elsewhere()
        if self.kind in (CLONE, COMPUTED, SEPARATE):
            return self._apart()
        return self._shared(*(self.names[::-1] if self._first_is_base() else self.names))

    def _one_tensor(self) -> str:
        a, b = self.names
        if a == b:
            return f"{a} is one tensor, asked for twice."
        if self.kind == storages.TIED:
            return (
                f"{a} and {b} are one Parameter at two places (tied): one memory, one .grad that "
                "gets the sum of both, updated once."
            )
        if GRADIENT in self._owners():
            return (
                f"{a} and {b} are one tensor, and it is a .grad: the next backward adds into it, "
                "and zero_grad(set_to_none=False) empties it."
            )
        return (
            f"{a} and {b} are two names of one tensor: nothing was copied (.to(), .contiguous() "
            "and .cpu() give back the tensor itself where there is nothing to do)."
        )

    def _elsewhere(self) -> str:
        lead = "{} and {} lie in one storage but share no byte".format(*self.names)
        if self.one_counter:
            return (
                f"{lead}: a write to one does not change the other, yet raises its version, as "
                "they have one counter."
            )
        return f"{lead}: a write to one is not in the other."

    @property
    def _bytes(self) -> str:
        most = "" if self.exact else "up to "
        none = " (of which 'meta' has none)" if self.a.device == "meta" else ""
        return f"{most}{size(self.overlap)}{none}"

    @property
    def _flows(self) -> str:
        return f"gradient flows {self.flow}" if self.flow else "no gradient flows"

    def _shared(self, one: str, base: str) -> str:
        """Tell of two that have bytes in common."""
        same = f"{self._bytes} are the same, one version counter, {self._flows}"
        if self.kind == storages.NUMPY:
            return self._numpy(one, base)
        if self.kind in (storages.VIEW, storages.EXPAND):
            seen = "a write through either is seen in both and noticed by autograd"
            return f"{self._view(one, base)}: {same}; {seen}."
        if self.kind == storages.DETACH:
            lead = f"{one} and {base} are cut apart"
            if self.a.value.requires_grad != self.b.value.requires_grad:
                lead = f"{one} is {base} without its history"
            return f"{lead} (detach): {same}; autograd notices a write through either."
        if self.kind == storages.DATA:
            return (
                f"{one} and {base} share {self._bytes}, but each has its own version counter (as "
                f".data gives), and {self._flows}: a write through one changes the other unseen by "
                "autograd."
            )
        how = COUNTERS[self.one_counter]
        return f"{one} and {base} are the same {self._bytes} of memory, {self._flows}; {how}."

    def _numpy(self, one: str, base: str) -> str:
        if self.a.storage is None and self.b.storage is None:
            return f"{one} and {base} are NumPy arrays that share {self._bytes}."
        return (
            f"{one}, a NumPy array, shares {self._bytes} with {base}: an array has no version, "
            "so a write through it is invisible to autograd, and no gradient flows."
        )

    def _view(self, one: str, base: str) -> str:
        if self.kind == storages.EXPAND:
            return f"{one} repeats {base} (expand, stride 0)"
        first, second = (self.a, self.b) if self._first_is_base() else (self.b, self.a)
        if storages.root(second.value) is first.value:
            return f"{one} is a view of {base}"
        return f"{one} and {base} are views of one tensor"

    def _apart(self) -> str:
        a, b = self.names
        devices = self.a.device, self.b.device
        if "meta" in devices:
            where = " and ".join(n for n, d in zip(self.names, devices, strict=True) if d == "meta")
            lead = f"{a} and {b} share nothing: {where} on 'meta' has no bytes at all"
        elif devices[0] != devices[1]:
            lead = f"{a} on {devices[0]} and {b} on {devices[1]} cannot share memory"
        else:
            lead = f"{a} and {b} lie in different storages"
        if self.flow:
            start = self.flow.partition(" -> ")[0]
            other = self.names[0] if start == self.names[1] else self.names[1]
            return f"{lead}: {start} {_made(self.path, other)}; {self._flows}."
        return f"{lead}, and no gradient flows between them{self._why()}."

    def _why(self) -> str:
        """Return what more is known of two tensors that have nothing to do with each other."""
        made = self._made_of(0, 1) or self._made_of(1, 0)
        if made:
            return made
        for value, name in zip(self.values, self.names, strict=True):
            cut = self.survey.recorder.cuts.of(value) if isinstance(value, torch.Tensor) else ""
            if cut:
                return f": {name} was cut off by {cut}"
        if self._equal():
            return "; their values are equal now: a copy (detach().clone(), deepcopy), or chance"
        return ""

    def _made_of(self, one: int, other: int) -> str:
        """Say which recorded op made one of the two out of the other."""
        flow = self.survey.recorder.flow
        maker = flow.of(self.values[one]).maker
        if maker is None or all(call is not maker for call, _ in flow.of(self.values[other]).users):
            return ""
        names = self.names[one], self.names[other]
        return ": {} was made of {} by ".format(*names) + maker.name + at(maker.site)

    def _equal(self) -> bool:
        a, b = self.values
        if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor):
            return False
        if a.shape != b.shape or a.device != b.device or not 0 < a.numel() <= EQUAL:
            return False
        if not figures.readable(a) or not figures.readable(b) or a.layout is not torch.strided:
            return False
        try:
            return a.dtype == b.dtype and torch.equal(a.detach(), b.detach())
        except figures.UNREADABLE:
            return False


def _same_memory(a: Piece, b: Piece) -> bool:
    if a.key == b.key != 0:
        return True
    if a.device != b.device or not a.address or not b.address:
        return False
    return a.begin() < b.end() and b.begin() < a.end()


COPYING = frozenset(
    ["Clone", "ToCopy", "UnsafeView", "View", "Alias", "ReshapeAlias", "T", "Transpose", "Permute"]
)
"""Nodes (less 'Backward0') that only move elements about."""


def _copying(path: list[str]) -> bool:
    words = set(map(nodes.kind, path))
    return bool(words & {"Clone", "ToCopy"}) and words <= COPYING


def _made(path: list[str], other: str) -> str:
    words = list(map(nodes.kind, path))
    if words == ["Clone"]:
        return f"is a copy of {other} (clone)"
    if words[:2] == ["UnsafeView", "Clone"] and _copying(path):
        return f"is a copy of {other}: its layout could not be viewed in that shape (reshape)"
    if "ToCopy" in words and _copying(path):
        return f"is a copy of {other} in another dtype, device or layout (to)"
    if _copying(path):
        return f"is a copy of {other} ({', '.join(path)})"
    shown = ", ".join(path[: relations.NAMED]) + (", …" if len(path) > relations.NAMED else "")
    return f"is computed from {other} by {shown}"
