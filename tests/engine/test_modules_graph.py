"""Graphs that are walked and never run, and Functions, compared with torch itself."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from debuggee import Debuggee

from gradrepl import model, protocol
from gradrepl.commands.graphs import graph_request

NET = """\
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
    def forward(self, x): return x + self.b(self.a(x).relu())
net = nn.Sequential(nn.Linear(3, 4), Block(), Block(), nn.Linear(4, 2))
x = torch.rand(5, 3)
loss = net(x).square().mean()
"""
WALK = """\
def walk(t):
    seen, todo = [t.grad_fn], [t.grad_fn]
    for n in todo:
        for m, _ in n.next_functions:
            if m is not None and m not in seen: seen.append(m); todo.append(m)
    edges, leaves = (sum(map(f, seen)) for f in (lambda n: len(n.next_functions), is_leaf))
    return len(seen), edges, leaves
def is_leaf(n): return hasattr(n, 'variable')
"""


def graph(d: Debuggee, expression: str = "", **more: Any) -> model.GraphView:
    found = d.look(protocol.GraphRows(expression=expression, **more))
    assert isinstance(found, model.GraphView), found
    return found


def function(d: Debuggee, target: str) -> model.FunctionInfo:
    found = d.look(protocol.FunctionOf(target=target))
    assert isinstance(found, model.FunctionInfo), found
    return found


def value(d: Debuggee, expression: str) -> Any:
    return ast.literal_eval(d.value(expression, full=True))


def test_its_rows_are_in_the_engines_order(d: Debuggee) -> None:
    d.type(NET)
    d.type(WALK)
    rows = graph(d, "loss", depth=99, unfold=("0", "1", "1.a", "1.b", "2", "2.a", "2.b", "3")).rows
    found = graph(d, "loss", count=1000)
    assert (found.nodes, found.edges, found.leaves) == value(d, "walk(loss)")
    assert [(row.id, row.name) for row in rows] == [(row.id, row.name) for row in found.rows][:40]
    d.backward("loss")
    stops = [d.stops()[-1], *d.step_through()]
    ran = list(dict.fromkeys((stop.node.id, stop.node.name) for stop in stops if stop.node))
    assert [(row.id, row.name) for row in found.rows] == ran


def test_edges_are_torchs(d: Debuggee) -> None:
    d.type("w = torch.rand(2, requires_grad=True); h = w * w; y = (h.exp() + h * 2).sum()")
    rows = {row.id: row for row in graph(d, "y").rows}
    named = {row.name + row.label: [rows[to].name for to in row.to] for row in rows.values()}
    assert named == {
        "SumBackward0y": ["AddBackward0"],
        "AddBackward0": ["ExpBackward0", "MulBackward0"],
        "MulBackward0": ["MulBackward0"],
        "ExpBackward0": ["MulBackward0"],
        "MulBackward0h": ["AccumulateGrad"],
        "AccumulateGradw": [],
    }
    assert all(to > row.id for row in rows.values() for to in row.to)
    assert rows[1].lanes == "○"
    assert rows[max(rows)].lanes.strip() == "◇"


def test_folding_by_module(d: Debuggee) -> None:
    d.type(NET)
    short = lambda found: [(row.label, row.name, row.nodes) for row in found.rows]  # noqa: E731
    assert short(graph(d, "loss", depth=0)) == [
        ("loss", "MeanBackward0", 1), ("", "PowBackward0", 1), ("Sequential", "Sequential", 28),
    ]  # fmt: skip
    one = graph(d, "loss", depth=1)
    assert short(one)[2:] == [
        ("3", "Linear", 4), ("2", "Block", 10), ("1", "Block", 10), ("0", "Linear", 4),
    ]  # fmt: skip
    assert [row.to for row in one.rows] == [
        (one.rows[n + 1].id,) if n + 1 < len(one.rows) else () for n in range(len(one.rows))
    ]
    two = short(graph(d, "loss", depth=2))
    assert ("2.a", "Linear", 4) in two
    opened = short(graph(d, "loss", depth=1, unfold=("1",)))
    assert [label for label, _, _ in opened] == [
        "loss", "", "3", "2", "1", "1.b", "1", "1.a", "0",
    ]  # fmt: skip
    assert ("1", "ReluBackward0", 1) in opened
    assert graph(d, "loss", depth=1, unfold=("net.1",)) == graph(d, "loss", depth=1, unfold=("1",))
    for depth in range(4):
        found = graph(d, "loss", depth=depth, count=100)
        assert (
            sum(row.nodes for row in found.rows)
            == found.nodes
            == found.total + sum(row.nodes - 1 for row in found.rows)
        )
    bad = d.look(protocol.GraphRows(expression="loss", unfold=("nothing",)))
    assert bad.message == "No module 'nothing' in the current scope."


def test_it_unfolds_as_much_as_fits(d: Debuggee) -> None:
    d.type(NET)
    assert graph(d, "loss", count=40).depth is None
    assert (graph(d, "loss", count=20).depth, graph(d, "loss", count=10).depth) == (2, 1)
    assert (graph(d, "loss", count=4).depth, graph(d, "loss", count=2).depth) == (0, 0)


def test_windows(d: Debuggee) -> None:
    d.type(NET)
    whole = graph(d, "loss", count=100, depth=2)
    parts = [graph(d, "loss", first=n, count=3, depth=2) for n in range(0, whole.total, 3)]
    assert [row for part in parts for row in part.rows] == list(whole.rows)
    assert graph(d, "loss", first=9999, count=5, depth=2).rows == whole.rows[-1:]


def test_search(d: Debuggee) -> None:
    d.type(NET)
    found = graph(d, "loss", pattern="RELU")
    assert [(row.name, row.op_name) for row in found.rows] == [("ReluBackward0", "relu")] * 2
    assert {row.label for row in graph(d, "loss", pattern="2.a.").rows} == {
        "2.a.bias",
        "2.a.weight",
    }
    assert graph(d, "loss", pattern="nothing").rows == ()
    assert [row.name for row in graph(d, "loss", pattern="linear", depth=1).rows] == ["Linear"] * 2


def test_what_was_saved(d: Debuggee) -> None:
    d.type(
        "w = torch.rand(100, requires_grad=True); a = w.exp(); b = a.sin(); c = b * a; y = c.sum()"
    )
    found = graph(d, "y")
    saved = {row.label: (row.saved, row.saved_nbytes) for row in found.rows}
    assert saved == {
        "y": ((), 0), "c": (("other (100,) v0", "self (100,) v0"), 800),
        "b": (("self (100,) v0",), 400), "a": (("result (100,) v0",), 400), "w": ((), 0),
    }  # fmt: skip
    assert found.saved_nbytes == 800  # a and b; each storage once
    d.type("v = w * w; z = v.sum()")
    assert graph(d, "z").saved_nbytes == 0  # only the leaf itself
    d.type("with torch.no_grad(): a.add_(1)")
    stale = {row.label: (row.state, row.saved) for row in graph(d, "y").rows}
    assert stale["a"] == ("stale", ("result changed in place",))
    d.type("z.backward()")
    assert {row.state for row in graph(d, "z").rows if row.label == "v"} == {"freed"}


def test_packed_values_are_not_unpacked(d: Debuggee) -> None:
    d.type("calls = []; pack = lambda t: t; unpack = lambda t: (calls.append(1), t)[1]")
    d.type("w = torch.rand(3, requires_grad=True)")
    d.type("with torch.autograd.graph.saved_tensors_hooks(pack, unpack): y = w.exp().sum()")
    (row,) = [row for row in graph(d, "y").rows if row.name == "ExpBackward0"]
    assert row.saved == ("result packed",)
    function(d, "y.grad_fn.next_functions[0][0]")
    assert d.value("calls") == "[]"


def test_at_a_backward_stop(d: Debuggee) -> None:
    d.type(NET)
    assert d.look(protocol.GraphRows()).hint == "':graph EXPR' shows the graph of a tensor."
    d.backward("loss")
    d.step()
    d.step()
    d.step()
    found = graph(d, depth=1)
    assert (found.live, found.root) == (True, "loss")
    assert [row.state for row in found.rows] == [
        "done", "done", "here", "predicted", "predicted", "predicted",
    ]  # fmt: skip
    assert found.rows[0].norm == 1.0
    assert function(d, "#3").module == "3"
    bad = d.look(protocol.FunctionOf(target="#99"))
    assert bad.message == f"there is no node #99: this backward has {found.nodes}."
    d.cont()


def test_what_has_no_graph(d: Debuggee) -> None:
    d.type("w = torch.rand(3, requires_grad=True); y = w.detach()")
    bad = d.look(protocol.GraphRows(expression="w"))
    assert bad.message.startswith("'w' has no graph: it is a leaf: made by the user with rand")
    bad = d.look(protocol.GraphRows(expression="y"))
    assert bad.message.startswith("'y' has no graph: it is a leaf: detach")
    assert "3' is a int" in d.look(protocol.GraphRows(expression="3")).message
    bad = d.look(protocol.FunctionOf(target="y"))
    assert bad.message.startswith("'y' has no grad_fn: it is a leaf: detach")
    assert "not a tensor" in d.look(protocol.FunctionOf(target="'y'")).message


def test_a_forward_that_nobody_saw(d: Debuggee) -> None:
    d.type("net = nn.Linear(2, 2); s = torch._C.DisableTorchFunction")
    d.type("with s(): y = net(torch.ones(1, 2)).sum()")
    found = graph(d, "y", depth=1)
    assert (found.recorded, found.depth, found.nodes) == (False, None, 5)
    assert {row.label for row in found.rows} == {"y", "", "bias", "weight", "leaf"} - {"leaf"}


def test_a_long_graph_is_walked_without_recursion(d: Debuggee) -> None:
    d.type("w = torch.rand(1, requires_grad=True); y = w")
    d.type("s = torch._C.DisableTorchFunction")
    d.type("with s():\n    for _ in range(60_000): y = y * 2")
    found = graph(d, "y", first=30_000, count=5)
    assert (found.nodes, found.total, len(found.rows)) == (60_001, None, 5)
    assert [row.id for row in found.rows] == [30_001, 30_002, 30_003, 30_004, 30_005]
    d.type("del y")


SCALE = """\
class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k):
        ctx.save_for_backward(x)
        ctx.k = k
        return x * k
    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return g * ctx.k, None
w = torch.rand(3, requires_grad=True)
y = Scale.apply(w, 3.0)
"""


def test_a_custom_function(d: Debuggee) -> None:
    d.type(SCALE)
    found = function(d, "y")
    assert (found.name, found.custom, found.kind, found.label) == (
        "ScaleBackward",
        True,
        "Scale",
        "y",
    )
    assert found.needs_input_grad == value(d, "y.grad_fn.needs_input_grad")
    assert found.attributes == (("k", "3.0"),)
    assert [(each.name, each.tensor.name) for each in found.saved] == [("saved_tensors[0]", "w")]
    assert found.forward_source.startswith("@staticmethod\ndef forward(ctx, x, k):\n    ctx.save")
    assert found.backward_source.endswith("return g * ctx.k, None")
    assert function(d, "Scale").forward_source == found.forward_source
    assert function(d, "y.grad_fn").name == "ScaleBackward"


def test_functions_beside_their_module(d: Debuggee) -> None:
    d.type(NET)
    node = "loss.grad_fn.next_functions[0][0].next_functions[0][0]"
    found = function(d, node)
    assert (found.name, found.module, found.module_class) == ("AddmmBackward0", "3", "Linear")
    assert [(each.path, each.shape) for each in found.parameters] == [
        ("3.weight", (2, 4)), ("3.bias", (2,)),
    ]  # fmt: skip
    assert [(each.name, each.op_name) for each in found.nodes] == [
        ("TBackward0", "linear"), ("AddmmBackward0", "linear"),
    ]  # fmt: skip
    assert not found.custom
    assert not hasattr(found, "weight")
    names = {each.name: each.tensor.shape for each in found.saved if each.tensor}
    assert names == {"mat1": (5, 4)} | ({"mat2": (4, 2)} if "mat2" in names else {})
    assert function(d, "loss").module == ""
    call = function(d, "net[1](torch.rand(1, 4).requires_grad_())")  # typed to look: not recorded
    assert call.nodes == ()


STATE = """\
([p._version for p in net.parameters()], [p.grad is None for p in net.parameters()], x._version,
 torch.autograd._get_sequence_nr(), torch.random.get_rng_state().sum().item(),
 loss.grad_fn._sequence_nr(), torch._C._len_torch_function_stack(), torch.is_grad_enabled())
"""


def test_nothing_changes(d: Debuggee) -> None:
    d.type(NET)
    state = STATE.replace("\n", " ")
    before = d.value(state)
    for depth in (None, 0, 1, 2):
        graph(d, "loss", depth=depth)
    graph(d, "loss", pattern="relu")
    function(d, "loss")
    assert d.value(state) == before
    d.type("loss.backward()")  # the graph is as good as it was
    assert d.value("all(p.grad is not None for p in net.parameters())") == "True"
    d.type("import weakref; t = x.sum(); r = weakref.ref(net); g = net[0].weight * 1")
    d.type("class Flag: pass")
    d.type("flag = Flag(); g.grad_fn.metadata['flag'] = flag; r = weakref.ref(flag); del flag")
    graph(d, "g")
    function(d, "g")
    d.type("del g; _ = None; __import__('gc').collect()")
    assert d.value("r()") == "None"


@pytest.mark.parametrize(
    ("words", "expression", "depth", "unfold", "pattern"),
    [
        ("", "", None, (), ""),
        ("loss", "loss", None, (), ""),
        ("loss 1", "loss", 1, (), ""),
        ("2", "", 2, (), ""),
        ("loss fc1", "loss", None, ("fc1",), ""),
        ("loss 0 enc.0 enc.1", "loss", 0, ("enc.0", "enc.1"), ""),
        ("loss /relu", "loss", None, (), "relu"),
        ("/relu", "", None, (), "relu"),
        ("a + b 1 /x", "a + b", 1, (), "x"),
        ("a / b", "a / b", None, (), ""),
        ("f(x, 1) fc1", "f(x, 1)", None, ("fc1",), ""),
    ],
)
def test_how_it_is_written(
    words: str, expression: str, depth: int | None, unfold: tuple[str, ...], pattern: str
) -> None:
    assert graph_request(words) == protocol.GraphRows(
        expression=expression, depth=depth, unfold=unfold, pattern=pattern
    )


def test_a_function_saved_as_many_bytes_as_the_graph_says(d: Debuggee) -> None:
    d.type("m = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))")
    d.type("h = m(torch.randn(32, 8))")
    told = {row.label: row.saved_nbytes for row in graph(d, "h").rows}
    function = d.look(protocol.FunctionOf(target="h"))
    assert isinstance(function, model.FunctionInfo), function
    assert {row.name: row.saved_nbytes for row in function.nodes if row.saved_nbytes} == {
        "AddmmBackward0": told["h"]
    }
