"""What two tensors have to do with each other, in one sentence that is true."""

from __future__ import annotations

from typing import Any

import torch

from gradrepl.engine.memory import counters, gradient, kinds, layout
from gradrepl.engine.memory.owners import GRADIENT, PARAMETER
from gradrepl.engine.memory.pieces import Piece
from gradrepl.engine.memory.survey import Survey, place_of
from gradrepl.engine.tensor import figures
from gradrepl.model import Sharing
from gradrepl.phrases import size

ELSEWHERE, CLONE, COMPUTED, SEPARATE = "same storage, other bytes", "clone", "computed", "separate"
EQUAL = 1 << 20
"""Elements up to which two tensors are compared."""


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

    # -- facts -------------------------------------------------------------------------------

    def record(self) -> Sharing:
        """Return what is true of the two."""
        a, b = self.a, self.b
        common = [_overlap(*pair) for pair in self.meeting]
        overlap, exact = sum(n for n, _ in common), all(exact for _, exact in common)
        same_storage = any(_same_memory(*pair) for pair in self.meeting)
        counter = self._same_counter()
        flow, path = self._flow()
        kind = self._kind(same_storage, overlap, counter, path)
        writes = None if not overlap else bool(counter)
        facts: dict[str, Any] = {
            "kind": kind, "same_storage": same_storage, "overlap": overlap, "exact": exact,
            "same_counter": counter, "gradient": flow, "writes_seen": writes,
        }  # fmt: skip
        sentence = self._sentence(facts, path)
        ids = [self.survey.known.ids.of(p.storage) for p in (a, b) if p.storage is not None]
        return Sharing(
            a=self.names[0], b=self.names[1], sentence=sentence,
            storages=tuple(dict.fromkeys(ids)), **facts,
        )  # fmt: skip

    def _same_counter(self) -> bool | None:
        if not all(isinstance(value, torch.Tensor) for value in self.values):
            return None
        return counters.same(self.values[0], self.values[1])

    def _flow(self) -> tuple[str, list[str]]:
        """Return 'b -> a' where gradient flows from b to a, and through which nodes."""
        a, b = self.values
        if not isinstance(a, torch.Tensor) or not isinstance(b, torch.Tensor) or a is b:
            return "", []
        first, second = self.names
        there, back = gradient.way(b, a), gradient.way(a, b)
        if there is not None:
            return f"{second} -> {first}", there
        return ("", []) if back is None else (f"{first} -> {second}", back)

    def _kind(self, same_storage: bool, overlap: int, counter: bool | None, path: list[str]) -> str:
        if self.values[0] is self.values[1]:
            tied = self._owners().count(PARAMETER) > 1
            return kinds.TIED if tied and not any(map(str.isidentifier, self.names)) else (
                kinds.NUMPY if self.a.storage is None else kinds.ALIAS
            )  # fmt: skip
        if overlap or (same_storage and self.a.size == 0):
            one, other = (self.b, self.a) if self._first_is_base() else (self.a, self.b)
            return kinds.relation(one, other, counter)
        if same_storage:
            return ELSEWHERE
        if path:
            return CLONE if _copying(path) else COMPUTED
        return SEPARATE

    def _owners(self) -> list[str]:
        """Return the owners of all names of the one tensor that was asked for twice."""
        return [piece.owner for piece in self.survey.pieces if piece.value is self.values[0]]

    def _first_is_base(self) -> bool:
        a, b = self.a.value, self.b.value
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
            detached = kinds.root(a) is not kinds.root(b)
            if detached and a.requires_grad != b.requires_grad:
                return bool(a.requires_grad)
        return kinds.base_of([self.a, self.b]) == 0

    # -- the sentence ------------------------------------------------------------------------

    def _sentence(self, facts: dict[str, Any], path: list[str]) -> str:
        kind = facts["kind"]
        if self.values[0] is self.values[1]:
            return self._one_tensor(kind)
        if kind == ELSEWHERE:
            return self._elsewhere(facts)
        if kind in (CLONE, COMPUTED, SEPARATE):
            return self._apart(facts, path)
        return self._sharing(facts)

    def _one_tensor(self, kind: str) -> str:
        a, b = self.names
        if a == b:
            return f"{a} is one tensor, asked for twice."
        if kind == kinds.TIED:
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

    def _elsewhere(self, facts: dict[str, Any]) -> str:
        a, b = self.names
        if facts["same_counter"]:
            return (
                f"{a} and {b} lie in one storage but share no byte: a write to one does not change "
                "the other, yet raises its version, as they have one counter."
            )
        return (
            f"{a} and {b} lie in one storage but share no byte: a write to one is not in the other."
        )

    def _sharing(self, facts: dict[str, Any]) -> str:
        first_is_base = self._first_is_base()
        base, one = self.names if first_is_base else self.names[::-1]
        piece = self.b if first_is_base else self.a
        most = "" if facts["exact"] else "up to "
        bytes_ = f"{most}{size(facts['overlap'])}"
        if self.a.device == "meta":
            bytes_ += " (of which 'meta' has none)"
        flow = f"gradient flows {facts['gradient']}" if facts["gradient"] else "no gradient flows"
        match facts["kind"]:
            case kinds.NUMPY:
                if self.a.storage is None and self.b.storage is None:
                    return f"{one} and {base} are NumPy arrays that share {bytes_}."
                return (
                    f"{one}, a NumPy array, shares {bytes_} with {base}: an array has no version, "
                    "so a write through it is invisible to autograd, and no gradient flows."
                )
            case kinds.VIEW | kinds.EXPAND:
                lead = f"{one} and {base} are views of one tensor"
                if facts["kind"] == kinds.EXPAND:
                    lead = f"{one} repeats {base} (expand, stride 0)"
                elif kinds.root(piece.value) is (self.a if first_is_base else self.b).value:
                    lead = f"{one} is a view of {base}"
                return (
                    f"{lead}: {bytes_} are the same, one version counter, {flow}; "
                    "a write through either is seen in both and noticed by autograd."
                )
            case kinds.DETACH:
                lead = f"{one} and {base} are cut apart (detach)"
                if self.a.value.requires_grad != self.b.value.requires_grad:
                    lead = f"{one} is {base} without its history (detach)"
                return (
                    f"{lead}: {bytes_} are the same, one version counter, {flow}; autograd "
                    "notices a write through either."
                )
            case kinds.DATA:
                return (
                    f"{one} and {base} share {bytes_}, but each has its own version counter (as "
                    f".data gives), and {flow}: a write through one changes the other unseen by "
                    "autograd."
                )
        return self._alias(facts, one, base, bytes_, flow)

    def _alias(self, facts: dict[str, Any], one: str, base: str, bytes_: str, flow: str) -> str:
        if facts["same_counter"]:
            how = "one version counter: autograd notices a write through either"
        elif facts["same_counter"] is None:
            how = "at least one has no version counter: autograd cannot notice a write"
        else:
            how = "each has its own version counter: a write through one is unseen by autograd"
        return f"{one} and {base} are the same {bytes_} of memory, {flow}; {how}."

    def _apart(self, facts: dict[str, Any], path: list[str]) -> str:
        a, b = self.names
        devices = self.a.device, self.b.device
        if "meta" in devices:
            where = " and ".join(n for n, d in zip(self.names, devices, strict=True) if d == "meta")
            lead = f"{a} and {b} share nothing: {where} on 'meta' has no bytes at all"
        elif devices[0] != devices[1]:
            lead = f"{a} on {devices[0]} and {b} on {devices[1]} cannot share memory"
        else:
            lead = f"{a} and {b} lie in different storages"
        if facts["gradient"]:
            start = facts["gradient"].partition(" -> ")[0]
            made = _made(path, self.names, start)
            return f"{lead}: {start} {made}; gradient flows {facts['gradient']}."
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
        where = f" ({place_of(maker.site)})" if maker.site else ""
        return ": {} was made of {} by ".format(*names) + f"{maker.name}{where}"

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


def _overlap(a: Piece, b: Piece) -> tuple[int, bool]:
    begin = min(a.begin(), b.begin())
    return layout.overlap(a.layout(begin), b.layout(begin))


COPYING = frozenset(
    ["Clone", "ToCopy", "UnsafeView", "View", "Alias", "ReshapeAlias", "T", "Transpose", "Permute"]
)
"""Nodes (less 'Backward0') that only move elements about."""


def _copying(path: list[str]) -> bool:
    words = {name.rstrip("0123456789").removesuffix("Backward") for name in path}
    return bool(words & {"Clone", "ToCopy"}) and words <= COPYING


def _made(path: list[str], names: list[str], start: str) -> str:
    words = [name.rstrip("0123456789").removesuffix("Backward") for name in path]
    other = names[0] if start == names[1] else names[1]
    if words == ["Clone"]:
        return f"is a copy of {other} (clone)"
    if words[:2] == ["UnsafeView", "Clone"] and _copying(path):
        return f"is a copy of {other}: its layout could not be viewed in that shape (reshape)"
    if "ToCopy" in words and _copying(path):
        return f"is a copy of {other} in another dtype, device or layout (to)"
    if _copying(path):
        return f"is a copy of {other} ({', '.join(path)})"
    shown = ", ".join(path[: gradient.NAMED]) + (", …" if len(path) > gradient.NAMED else "")
    return f"is computed from {other} by {shown}"
