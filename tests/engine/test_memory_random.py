"""Sharing told by the engine against what random programs did: their truth is known by how."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, count
from types import SimpleNamespace
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradrepl.engine.forward.flow import Cuts, Flow
from gradrepl.engine.memory import relations, storages
from gradrepl.engine.memory.layout import Layout, overlap, pieces
from gradrepl.engine.memory.owners import VARIABLE, Owned
from gradrepl.engine.memory.remembered import Ids
from gradrepl.engine.memory.sharing import Pair
from gradrepl.engine.tensor import figures


class Made:
    """A tensor (or array), and what it shares by how it was made."""

    def __init__(self, value: Any, memory: int, impl: int, counter: int | None, root: int) -> None:
        self.value = value
        self.of: Made | None = None
        """What it was made of."""
        self.memory, self.impl, self.counter, self.root = memory, impl, counter, root
        """Equal numbers: the same bytes, the same storage, the same counter, views of one."""

    def line(self) -> list[Any]:
        """Everything that it came of."""
        return [] if self.of is None else [self.of.value, *self.of.line()]


class Program:
    """Makes tensors out of tensors, and keeps the truth."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.fresh = count()
        self.made: list[Made] = []
        self.written: dict[int, int] = defaultdict(int)
        """By counter: how often it was written to."""

    def new(self, value: torch.Tensor) -> Made:
        """A tensor that shares nothing."""
        return Made(value, *(next(self.fresh) for _ in range(4)))

    def leaf(self, of: Made) -> Made:
        grad = self.draw(st.booleans())
        found = torch.zeros(self.draw(st.integers(1, 3)), 3, requires_grad=grad)
        return self.new(found * 2 if grad and self.draw(st.booleans()) else found)

    def view(self, of: Made) -> Made:
        x = of.value
        ways = [lambda: x[...], lambda: x.unsqueeze(0), lambda: x.expand(2, *x.shape)]
        if x.dim() > 1:
            ways += [lambda: x.transpose(0, 1), lambda: x[0], lambda: x[:, 1:]]
        way = self.draw(st.sampled_from(ways))
        with torch.set_grad_enabled(x.requires_grad or self.draw(st.booleans())):
            return Made(way(), of.memory, of.impl, of.counter, of.root)

    def reshape(self, of: Made) -> Made:
        """A view where the elements lie in order, else a copy."""
        made = of.value.reshape(-1)
        if of.value.is_contiguous():
            return Made(made, of.memory, of.impl, of.counter, of.root)
        return self.new(made) if _copied(made, of.value) else Made(
            made, of.memory, of.impl, of.counter, of.root
        )  # fmt: skip

    def contiguous(self, of: Made) -> Made:
        if of.value.is_contiguous():
            assert of.value.contiguous() is of.value
            return of
        return self.new(of.value.contiguous())

    def detach(self, of: Made) -> Made:
        return Made(of.value.detach(), of.memory, of.impl, of.counter, next(self.fresh))

    def data(self, of: Made) -> Made:
        return Made(of.value.data, of.memory, of.impl, next(self.fresh), next(self.fresh))

    def set(self, of: Made) -> Made:
        x = of.value.detach()
        made = torch.empty(0).set_(x.untyped_storage(), x.storage_offset(), x.shape, x.stride())
        counter = next(self.fresh)
        self.written[counter] = made._version  # ``set_`` counts as a write to itself
        return Made(made, of.memory, of.impl, counter, next(self.fresh))

    def numpy(self, of: Made) -> Made:
        return Made(of.value.detach().numpy(), of.memory, -1, None, next(self.fresh))

    def from_numpy(self, of: Made) -> Made:
        made = torch.from_numpy(of.value.detach().numpy())
        return Made(made, of.memory, *(next(self.fresh) for _ in range(3)))

    def clone(self, of: Made) -> Made:
        return self.new(of.value.clone())

    def cast(self, of: Made) -> Made:
        assert of.value.to(torch.float32) is of.value
        return self.new(of.value.to(torch.float64).to(torch.float32))

    def write(self, of: Made) -> None:
        """Write through any tensor; its counter counts."""
        if 0 not in of.value.stride():
            with torch.no_grad():
                of.value.add_(1)
            assert of.counter is not None
            self.written[of.counter] += 1

    def step(self) -> None:
        plain = [each for each in self.made if isinstance(each.value, torch.Tensor)]
        if not plain:
            self.made.append(self.leaf(Made(None, 0, 0, 0, 0)))
            return
        of = self.draw(st.sampled_from(plain))
        steps = [self.leaf, self.view, self.view, self.detach, self.data, self.set, self.numpy,
                 self.from_numpy, self.clone, self.cast, self.reshape, self.contiguous]  # fmt: skip
        if self.draw(st.integers(0, 4)) == 0:
            self.write(of)
        else:
            made = self.draw(st.sampled_from(steps))(of)
            if made is not of:
                made.of = of
            self.made.append(made)

    def delete(self) -> None:
        """Some names are gone; what is of them stays in memory as long as torch needs it."""
        kept = [made for made in self.made if self.draw(st.integers(0, 3))]
        self.made = kept or self.made


def _copied(made: torch.Tensor, of: torch.Tensor) -> bool:
    return made.data_ptr() != of.data_ptr()


@st.composite
def programs(draw: Any) -> Program:
    program = Program(draw)
    for _ in range(draw(st.integers(2, 14))):
        program.step()
    program.delete()
    return program


def relation(one: Made, other: Made) -> str:
    """What the kind must be, by how the two were made."""
    if one.counter is None or other.counter is None:
        return "numpy"
    if one.value is other.value:
        return "alias"
    if one.root == other.root:
        repeat = [any(s == 0 and n > 1 for n, s in zip(x.shape, x.stride(), strict=True))
                  for x in (one.value, other.value)]  # fmt: skip
        return "expand" if repeat == [True, False] else "view"
    if one.counter == other.counter:
        return "detach"
    return "data" if one.impl == other.impl else "alias"


quickly = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@quickly
@given(programs())
def test_storages_of_random_programs(program: Program) -> None:
    by_name = {f"t{place}": made for place, made in enumerate(program.made)}
    before = versions(program)
    state = torch.get_rng_state()
    with figures.quiet():
        owned = [Owned(name, VARIABLE, made.value) for name, made in by_name.items()]
        found = storages.grouped([piece for each in owned for piece in pieces(each)])
        records = [group.record(Ids(), lambda node: None) for group in found]
    assert versions(program) == before
    assert torch.equal(state, torch.get_rng_state())
    assert sorted(sorted(m.name for m in r.members) for r in records) == sorted(
        sorted(name for name, made in by_name.items() if made.memory == memory)
        for memory in {m.memory for m in program.made if isinstance(m.value, torch.Tensor)}
    )
    for record in records:
        assert sum(m.kind == "base" for m in record.members) <= 1
        counted: dict[int | None, set[int | None]] = defaultdict(set)
        for member in record.members:
            made = by_name[member.name]
            if member.of:
                of = by_name[member.of]
                assert member.kind == relation(made, of), member
                if not member.mutual and made.value is not of.value:
                    assert came_of(made, of), member
            assert member.kind != "base" or came_first(made, program), member
            if made.counter is not None:
                assert member.version == program.written[made.counter]
            counted[member.counter].add(made.counter)
            check_bytes(member, made.value, record, begin(program, made.memory))
        assert all(len(truth) == 1 for truth in counted.values())
        assert len(counted) == len({by_name[m.name].counter for m in record.members})


def came_of(one: Made, other: Made) -> bool:
    """Was the first made of the second, as far as their relation says so? torch's word of views."""
    if relation(one, other) in ("view", "expand"):
        return one.value._base is other.value
    return relation(one, other) in ("alias", "numpy") or other.value in Line(one)


def came_first(base: Made, program: Program) -> bool:
    """Came all other tensors with this storage of this one?"""
    others = [each for each in program.made if each.impl == base.impl]
    return all(each.value is base.value or base.value in Line(each) for each in others)


class Line(list[Any]):
    """What a tensor came of: asked by identity."""

    def __init__(self, made: Made) -> None:
        super().__init__(made.line())

    def __contains__(self, value: object) -> bool:
        return any(each is value for each in self)


def versions(program: Program) -> list[int]:
    return [m.value._version for m in program.made if isinstance(m.value, torch.Tensor)]


def begin(program: Program, memory: int) -> int:
    """The address at which a memory begins: an array's storage is only a part of it."""
    values = [each.value for each in program.made if each.memory == memory]
    tensors = [each for each in values if isinstance(each, torch.Tensor)]
    return min(each.untyped_storage().data_ptr() for each in tensors)


def check_bytes(member: Any, value: Any, record: Any, first_byte: int) -> None:
    used = {byte for first, last in member.ranges for byte in range(first, last)}
    if isinstance(value, torch.Tensor):
        assert member.exact
        assert used == bytes_of(value, first_byte)
        assert member.nbytes == value.nbytes
        assert member.offset == value.data_ptr() - first_byte
    assert max(used, default=0) < record.nbytes


def bytes_of(value: torch.Tensor, first_byte: int) -> set[int]:
    """The bytes that a tensor uses, from torch's own indexing, counted from an address."""
    size, item = value.untyped_storage().nbytes(), value.element_size()
    places = torch.arange(size // item).as_strided(
        value.shape, value.stride(), value.storage_offset()
    )
    start = value.untyped_storage().data_ptr() - first_byte
    starts = [start + place * item for place in places.flatten().tolist()]
    return {begin + byte for begin in starts for byte in range(item)}


@quickly
@given(programs())
def test_pairs_of_random_programs(program: Program) -> None:
    survey: Any = SimpleNamespace(
        recorder=SimpleNamespace(flow=Flow(), cuts=Cuts()), pieces=[],
        known=SimpleNamespace(ids=Ids()),
    )  # fmt: skip
    for one, other in list(combinations(program.made[:6], 2)):
        values = [one.value, other.value]
        with figures.quiet():
            parts = [list(pieces(Owned(n, VARIABLE, v))) for n, v in zip("ab", values, strict=True)]
            record = Pair(survey, ["a", "b"], values, *parts).record()
        assert record.same_storage == (one.memory == other.memory)
        assert record.sentence.startswith(("a ", "b ", "b, ", "a, "))
        assert record.sentence.endswith(".")
        if one.counter is None or other.counter is None:
            assert record.same_counter is None
            continue
        assert record.same_counter == (one.counter == other.counter)
        common = bytes_of(one.value, 0) & bytes_of(other.value, 0)
        assert record.overlap == len(common)
        assert (record.gradient != "") == (values[0] is not values[1] and flows(*values))
        if common:
            assert record.kind in (relation(one, other), relation(other, one))
            assert record.writes_seen == noticed(one, other)


def flows(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Does autograd itself pass a gradient from one to the other?"""
    for start, goal in ((a, b), (b, a)):
        if start.requires_grad and goal.requires_grad:
            found = torch.autograd.grad(
                start, goal, torch.ones_like(start), allow_unused=True, retain_graph=True
            )
            if found[0] is not None:
                return True
    return False


def noticed(one: Made, other: Made) -> bool:
    """Does a write through one raise the version of the other? Tried with torch."""
    before = other.value._version
    torch._C._autograd._unsafe_set_version_counter((one.value,), (one.value._version + 1,))
    seen = other.value._version != before
    torch._C._autograd._unsafe_set_version_counter((one.value,), (one.value._version - 1,))
    return bool(seen)


layouts = st.builds(
    lambda offset, dims: Layout(offset, tuple(n for n, _ in dims), tuple(s for _, s in dims), 4),
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 12).map(lambda s: 4 * s)), max_size=3),
)


def all_bytes(layout: Layout) -> set[int]:
    starts = [layout.offset]
    for size, stride in zip(layout.shape, layout.strides, strict=True):
        starts = [start + place * stride for start in starts for place in range(size)]
    return {start + byte for start in starts for byte in range(4)}


@quickly
@given(layouts, layouts)
def test_layouts(a: Layout, b: Layout) -> None:
    ranges = a.ranges()
    assert ranges is not None
    assert {byte for first, last in ranges for byte in range(first, last)} == all_bytes(a)
    assert a.used() == (len(all_bytes(a)), True)
    assert overlap(a, b) == (len(all_bytes(a) & all_bytes(b)), True)


def test_a_layout_of_too_many_pieces_says_so() -> None:
    column = Layout(0, (100_000,), (400,), 4)
    assert column.ranges() is None
    assert column.used() == (400_000, False)
    ((first, last),), exact, density = column.listed()
    assert (first, last, exact) == (0, 400 * 99_999 + 4, False)
    assert abs(density - 0.01) < 1e-6
    assert overlap(column, Layout(4, (100_000,), (400,), 4)) == (400_000, False)


def test_counters_are_as_they_were() -> None:
    x = torch.zeros(3, requires_grad=True)
    several = [x, x.detach(), x.data, x.view(3, 1), torch.zeros(2), x.detach().view(-1)]
    with torch.inference_mode():
        several.append(torch.zeros(1))
    several[2].add_(1)
    before = [None if t.is_inference() else t._version for t in several]
    with figures.quiet():
        assert relations.counter_groups(several) == [0, 0, 2, 0, 4, 0, None]
    assert [None if t.is_inference() else t._version for t in several] == before
