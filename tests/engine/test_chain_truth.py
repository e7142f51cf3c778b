"""Sums over paths are torch's own gradients, paths are counted right, the largest are the largest.

Hypothesis draws graphs with views, broadcasting, in-place writes, multi-output nodes and custom
Functions; scalar graphs are compared with an enumeration of all paths.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    from random_graphs import OPERATIONS, build
    from torch.autograd.functional import jacobian

    from gradrepl.engine.chain import gradients, paths, search, table, unseen
    from gradrepl.engine.chain.gradients import PathGraph, Start, written
    from gradrepl.engine.chain.unseen import Runner
    from gradrepl.engine.chain.verify import Copies, Function, compare
    from gradrepl.errors import AutogradError, StateError

STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 5), st.integers(0, 5)),
    min_size=1, max_size=9,
)  # fmt: skip
ONE = torch.ones((), dtype=torch.float64)


@pytest.fixture(autouse=True, scope="module")
def _whole_routes() -> Iterator[None]:
    """Have every step of long paths kept, to compare all of them."""
    before, search.ENDS = search.ENDS, 1000
    yield
    search.ENDS = before


@contextmanager
def in_double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def ways_to(root, target, seed=None) -> PathGraph:
    edge, end = torch.autograd.graph.get_gradient_edge(root), (
        torch.autograd.graph.get_gradient_edge(target)
    )  # fmt: skip
    start = Start(edge.node, edge.output_nr, torch.ones_like(root) if seed is None else seed)
    return PathGraph([start], end.node, end.output_nr)


def all_paths(root, target) -> int:
    """Count paths by following each of them."""
    end = torch.autograd.graph.get_gradient_edge(target)
    wanted = (end.node, end.output_nr)

    def beyond(port) -> int:
        node, _ = port
        found = int(port == wanted)
        return found + sum(beyond((n, i)) for n, i in node.next_functions if n is not None)

    edge = torch.autograd.graph.get_gradient_edge(root)
    return beyond((edge.node, edge.output_nr))


@given(STEPS, st.integers(0, 20))
@settings(max_examples=250, deadline=None)
def test_paths_add_up_to_autograds_gradient(steps, which):
    with in_double():
        (root, *_), leaves, tensors = build(steps, 1)
    targets = leaves + [tensor for tensor in tensors if tensor.grad_fn is not None]
    target = targets[which % len(targets)]
    (true,) = torch.autograd.grad(root, target, retain_graph=True, allow_unused=True)
    versions = [tensor._version for tensor in tensors]
    before = torch.get_rng_state()
    between = ways_to(root, target)
    assert between.count == all_paths(root, target)
    assume(between.count)
    runner = Runner(between.graph)
    total = gradients.accumulate(between, runner)
    theirs, notes = gradients.true_gradient(between)
    assert notes == []
    assert (theirs is None) == (true is None)
    assert gradients.compare(total, true)[0]
    assert gradients.compare(theirs, true) == (True, 0.0)
    if between.count <= 200:
        parts = [walked.grad for walked in search.every(between, runner)]
        assert len(parts) == between.count
        together = sum((part for part in parts if part is not None), torch.zeros_like(target))
        torch.testing.assert_close(together, torch.zeros_like(target) if true is None else true)
    assert [tensor._version for tensor in tensors] == versions
    assert torch.equal(torch.get_rng_state(), before)
    assert all(leaf.grad is None for leaf in leaves)
    again = torch.autograd.grad(root, target, allow_unused=True)[0]  # the graph is whole still
    assert true is None or torch.equal(again, true)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_the_walk_is_bit_for_bit_the_engines(steps):
    (root, *_), leaves, _ = build(steps, 1)
    for leaf in leaves:
        between = ways_to(root, leaf)
        if between.count:
            total = gradients.accumulate(between, Runner(between.graph))
            (true,) = torch.autograd.grad(root, leaf, retain_graph=True, allow_unused=True)
            assert (total is None and true is None) or torch.equal(total, true)


def scalar_graph(dice: random.Random, size: int):
    """Return (root, leaf): sums of products with random factors, 0 and negative ones too."""
    leaf = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    made = [leaf * 1.0]
    for _ in range(size):
        parts = [dice.choice(made[-2:]) for _ in range(dice.randint(2, 3))]
        factors = [dice.choice([0.0, 1.0, -1.0, dice.uniform(-2, 2)]) for _ in parts]
        made.append(
            sum((p * f for p, f in zip(parts, factors, strict=True)), torch.zeros_like(leaf))
        )
    return made[-1], leaf


@given(st.integers(0, 10**6), st.integers(6, 10))
@settings(max_examples=120, deadline=None)
def test_the_50_largest_are_the_largest(seed, size):
    root, leaf = scalar_graph(random.Random(seed), size)
    between = ways_to(root, leaf)
    assume(50 < between.count <= 20_000)
    runner = Runner(between.graph)
    every = sorted((abs(w.grad.item()) for w in search.every(between, runner)), reverse=True)
    method, listed, total = paths.walk(between, runner)
    assert method == "the 50 largest"
    assert len({each.route for each in listed}) == 50
    found = [abs(each.grad.item()) for each in listed]
    assert found == pytest.approx(every[:50], rel=1e-12, abs=1e-300)
    for each in listed:  # the contribution is that of this very path
        grad = ONE
        for step in each.route.head + each.route.tail:
            grad = runner.single(step.node, step.number, grad)[step.hop.edge]
        assert each.grad.item() == pytest.approx(grad.item(), rel=1e-12)
    assert total.item() == pytest.approx(torch.autograd.grad(root, leaf)[0].item())


def test_paths_are_products_of_jacobians():
    x = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64, requires_grad=True)
    matrix = torch.arange(6, dtype=torch.float64).reshape(2, 3) - 2
    steps = [torch.sin, lambda t: matrix @ t, lambda t: t.exp()]
    h = steps[0](x)
    k = steps[1](h)
    root = (steps[2](k) + k).sum()
    between = ways_to(root, x)
    runner = Runner(between.graph)
    ones = torch.ones(2, dtype=torch.float64)
    down = jacobian(steps[1], h.detach()) @ jacobian(steps[0], x.detach())
    wanted = [ones @ jacobian(steps[2], k.detach()) @ down, ones @ down]
    found = [walked.grad for walked in search.every(between, runner)]
    assert len(found) == 2
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_jacobians_of_steps_are_torchs():
    x = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64, requires_grad=True)
    y = x.softmax(0)
    between = ways_to(y, x, torch.ones(3, dtype=torch.float64))
    records = paths._Records(between, Runner(between.graph), None, "y", "x")
    (walked,) = search.every(between, Runner(between.graph))
    mine = torch.tensor(records._matrix(walked.steps().head[0]), dtype=torch.float64)
    torch.testing.assert_close(mine, jacobian(lambda t: t.softmax(0), x.detach()))


@pytest.mark.parametrize(
    "make",
    [
        lambda a: torch.cat(a.split([1, 3, 2])[::-1]).sin(),
        lambda a: torch.stack(a.unbind()).cos(),
        lambda a: a.reshape(2, 3).max(1).values * 2,
        lambda a: a.reshape(2, 3).sort(1).values * a.reshape(2, 3),
        lambda a: a.reshape(2, 3) * a.reshape(2, 3)[:, :1],
        lambda a: torch.complex(a, a * 2).abs(),
        lambda a: torch.view_as_real(torch.fft.fft(a)),
        lambda a: torch.linalg.qr(a.reshape(2, 3).t())[1],
        lambda a: torch.where(a > 0, a, a * a),
        lambda a: a.expand(4, 6)[::2],
        lambda a: a.to(torch.float32) * 2,
        lambda a: torch.nn.functional.layer_norm(a, (6,)) @ a,
        lambda a: a.index_select(0, torch.tensor([1, 1, 4])),
    ],
)
def test_kinds_of_nodes(make):
    a = torch.tensor([0.3, -1.2, 2.0, 0.7, -0.1, 0.5], dtype=torch.float64, requires_grad=True)
    root = make(a).sum()
    between = ways_to(root, a)
    runner = Runner(between.graph)
    (true,) = torch.autograd.grad(root, a, retain_graph=True)
    assert gradients.compare(gradients.accumulate(between, runner), true)[0]
    together = sum(w.grad for w in search.every(between, runner) if w.grad is not None)
    tight = 1e-5 if root.dtype == torch.float32 else 1e-12
    torch.testing.assert_close(together, true, rtol=tight, atol=tight)


def test_a_million_million_paths():
    x = torch.tensor([0.5, 1.0], dtype=torch.float64, requires_grad=True)
    y = x
    for i in range(40):
        y = y * 0.6 + y * (0.3 + i / 400)
    between = ways_to(y.sum(), x)
    assert between.count == 2**40
    method, listed, total = paths.walk(between, Runner(between.graph))
    assert (method, len(listed)) == ("best-first search", 50)
    assert (
        len(
            {
                tuple((s.node, s.hop.edge) for s in each.route.head + each.route.tail)
                for each in listed
            }
        )
        == 50
    )
    best = math.prod(max(0.6, 0.3 + i / 400) for i in range(40))
    assert listed[0].grad.tolist() == pytest.approx([best, best])
    rest = paths.remainder(listed, total)
    torch.testing.assert_close(rest + sum(each.grad for each in listed), total)


def test_numbers_too_long_to_write():
    x = torch.ones((), requires_grad=True)
    y = x
    for _ in range(14_000):
        y = y + y
    count = ways_to(y, x).count
    assert written(count) == ">1e4000"
    assert written(2**64) == str(2**64)
    assert written(2**63 - 1) == 2**63 - 1


def test_hooks_do_not_run_and_stay():
    ran = []
    x = torch.ones(3, requires_grad=True)
    x.register_hook(lambda g: ran.append("leaf"))

    def forward():
        hidden = x * 2  # nobody holds this tensor afterwards, but its hook lives
        hidden.register_hook(lambda g: ran.append("tensor"))
        return hidden * 3

    y = forward()
    y.grad_fn.register_hook(lambda i, o: ran.append("node"))
    y.grad_fn.register_prehook(lambda g: ran.append("before"))
    kept = y * 2
    kept.retain_grad()
    root = kept.sum()
    between = ways_to(root, x)
    grad, notes = gradients.true_gradient(between)
    assert (ran, kept.grad, x.grad) == ([], None, None)
    assert grad.tolist() == [12.0] * 3
    assert len(notes) == 1
    assert notes[0].count("<lambda> (test_chain_truth.py:") == 4
    root.backward()
    assert sorted(ran) == ["before", "leaf", "node", "tensor"]
    assert kept.grad.tolist() == [1.0] * 3


def test_a_retained_gradient_is_put_back():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    held = y.grad
    gradients.true_gradient(ways_to((y * 3).sum(), x))
    assert y.grad is held
    assert held.tolist() == [1.0] * 3


class Noisy(torch.autograd.Function):
    runs = 0

    @staticmethod
    def forward(ctx, scale, x, y):
        ctx.scale = scale
        ctx.save_for_backward(x)
        return x * scale, y * 2

    @staticmethod
    def backward(ctx, first, second):
        Noisy.runs += 1
        (x,) = ctx.saved_tensors
        torch.rand(3), random.random()
        return None, first * ctx.scale + 0 * x, second * 2


def test_a_custom_backward_is_counted_and_leaves_random_numbers_alone():
    x = torch.ones(3, requires_grad=True)
    first, second = Noisy.apply(3.0, x, x)
    between = ways_to((first + second).sum(), x)
    runner = Runner(between.graph)
    state, python, Noisy.runs = torch.get_rng_state(), random.getstate(), 0
    with paths.careful(runner, between) as notes:
        total = gradients.accumulate(between, runner)
        parts = [w.grad.tolist() for w in search.every(between, runner)]
    assert notes == []
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == python
    assert total.tolist() == [5.0] * 3
    assert [part for part in parts if any(part)] == [[3.0] * 3, [2.0] * 3]
    assert runner.reruns == {"Noisy": Noisy.runs}
    assert Noisy.runs == 3


class Reversible(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x.detach().requires_grad_()
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        with torch.enable_grad():
            (ctx.x * 2).sum().backward()
        return grad * 2


def test_a_backward_inside_a_backward_is_refused():
    x = torch.ones(3, requires_grad=True)
    y = Reversible.apply(x)
    held = y.grad_fn.x
    between = ways_to(y.sum(), x)
    runner = Runner(between.graph)
    with pytest.raises(StateError, match=r"write \.grad"), paths.careful(runner, between):
        gradients.accumulate(between, runner)
    with pytest.raises(StateError, match=r"write \.grad"):
        gradients.true_gradient(between)
    assert held.grad is None


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints_are_refused(reentrant):
    from torch.utils.checkpoint import checkpoint

    x = torch.ones(3, requires_grad=True)
    root = checkpoint(lambda t: t.sin() * t, x, use_reentrant=reentrant).sum()
    between = ways_to(root, x)
    with pytest.raises(StateError, match="checkpoint"):
        Runner(between.graph).check(between.order)


def test_freed_and_stale():
    x = torch.ones(3, requires_grad=True)
    y = x * x
    root = (y * y).sum()
    with torch.no_grad():
        y.add_(1)
    between = ways_to(root, x)
    with pytest.raises(AutogradError, match="changed in place"):
        gradients.accumulate(between, Runner(between.graph))
    root = (x * x).sum()
    between = ways_to(root, x)
    root.backward()
    with pytest.raises(AutogradError, match="has lost what it saved"):
        gradients.accumulate(between, Runner(between.graph))


def test_unpack_hooks_are_told():
    x = torch.ones(3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        root = (x * x).sum()
    between = ways_to(root, x)
    assert Runner(between.graph).check(between.order) == [
        "2 saved values were unpacked by your saved_tensors_hooks."
    ]


def test_the_table_has_every_backward_function_of_this_torch():
    functions = {name for name in dir(torch._C._functions) if name[-1].isdigit()}
    assert functions
    assert set(table.table()) == {name for name in functions if "Backward" in name}


def test_the_tables_formulas():
    entry = table.table()["MulBackward0"]
    assert entry.signature == "mul.Tensor(Tensor self, Tensor other) -> Tensor"
    assert "other" in entry.formulas["self"]
    assert table.named("mul") == ["MulBackward0", "MulBackward1"]
    assert table.named("mul.Scalar") == ["MulBackward1"]
    saved = {name[7:] for name in dir(torch._C._functions.AddmmBackward0)
             if name in ("_saved_mat1", "_saved_mat2", "_saved_alpha", "_saved_beta")}  # fmt: skip
    text = " ".join(table.table()["AddmmBackward0"].formulas.values())
    assert len(saved) == 4
    assert all(name in text for name in saved)


class Wrong(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * x * y

    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.saved_tensors
        wrong = 2 * x * y
        wrong[1] += 0.25
        return grad * wrong, grad * x * x


@pytest.mark.parametrize(
    ("function", "right"),
    [
        (lambda x, y: torch.sin(x) * y, True), (lambda x, y: (x @ y).exp(), True),
        (lambda x, y: torch.nn.functional.gelu(x) / (1 + y**2), True), (Wrong.apply, False),
    ],
)  # fmt: skip
def test_the_check_agrees_with_gradcheck(function, right):
    x = torch.tensor([0.3, -1.2, 2.0], requires_grad=True)
    y = torch.tensor([1.0, 0.5, -0.4], requires_grad=True)
    checks = compare(Function(function, Copies((x, y), {}, lambda t: "")))
    doubles = [t.detach().double().requires_grad_() for t in (x, y)]
    assert torch.autograd.gradcheck(function, doubles, raise_exception=False) == right
    assert all(check.passed for check in checks) == right
    if not right:
        worst = max(checks, key=lambda check: check.max_error)
        assert (worst.input, worst.index, worst.output_index) == ("input 0", (1,), (1,))
        assert worst.max_error == pytest.approx(0.25, abs=1e-6)
        assert worst.analytic - worst.numeric == pytest.approx(0.25, abs=1e-6)


def test_what_cannot_be_checked():
    x = torch.ones(3, requires_grad=True)
    for function, words in (
        (lambda t: torch.nn.functional.dropout(t), "random"), (lambda t: t > 0, "derivative"),
    ):  # fmt: skip
        state = torch.get_rng_state()
        with pytest.raises(StateError, match=words):
            compare(Function(function, Copies((x,), {}, lambda t: "")))
        assert torch.equal(torch.get_rng_state(), state)
    assert (x.grad, x._version) == (None, 0)


def test_muting_lets_other_threads_hooks_run():
    import threading

    ran: list[str] = []
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: ran.append("there"))
    with unseen.unseen(user_code=False):
        thread = threading.Thread(target=lambda: y.sum().backward(retain_graph=True))
        thread.start()
        thread.join()
    assert ran == ["there"]


def test_hooks_of_modules_are_told_from_those_of_nodes_however_many_there_are(monkeypatch):
    nets = [torch.nn.Linear(1, 1) for _ in range(3)]
    for net in nets:
        net.register_forward_hook(lambda module, args, out: None)
        net.weight.register_hook(lambda grad: None)
    found = []
    for some in (unseen.SOME, 0):
        monkeypatch.setattr(unseen, "SOME", some)
        _, tables = unseen._heap()
        found.append({id(table) for table in tables})
        del tables
    assert found[0] == found[1]
    assert {id(net.weight._backward_hooks) for net in nets} <= found[0]
    assert not {id(net._forward_hooks) for net in nets} & found[0]
