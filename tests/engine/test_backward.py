"""Backward stops: the engine's own nodes in its own order, with what comes in, out, and is kept."""

from __future__ import annotations

import pytest

from gradrepl import conditions as c
from gradrepl import model, protocol

PLAIN = """\
x = torch.tensor([1.0, 2.0], requires_grad=True)
y = x * 3
L = y.sum()
"""

NET = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 4)
        self.act = nn.Tanh()
        self.fc2 = nn.Linear(4, 2)
    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))
net = Net()
data = torch.ones(5, 3)
L = net(data).mean()
"""

NODES = [
    ("MeanBackward0", "L"),
    ("AddmmBackward0", "fc2"),
    ("AccumulateGrad", "fc2.bias"),
    ("TBackward0", "fc2"),
    ("AccumulateGrad", "fc2.weight"),
    ("TanhBackward0", "act"),
    ("AddmmBackward0", "fc1"),
    ("AccumulateGrad", "fc1.bias"),
    ("TBackward0", "fc1"),
    ("AccumulateGrad", "fc1.weight"),
]


def nodes(stops):
    return [stop.node for stop in stops if stop.node]


def names(stops):
    return [node.name for node in nodes(stops)]


def labelled(stops):
    return [(node.name, node.label) for node in nodes(stops)]


def bw(d, expression="L", verb=c.Step):
    """``:bw EXPR``, stepped to its end; return the stops."""
    d.backward(expression)
    return d.step_through(verb)


def at(d, name, expression="L"):
    """Stand at the first node of this name in the backward of ``expression``."""
    d.backward(expression)
    stop = d.stops()[-1]
    return stop if stop.node.name == name else d.until(f"node {name}")


def values(grads):
    return [None if grad is None else grad.values for grad in grads]


# -- starting ----------------------------------------------------------------------------------


def test_bw_stops_before_the_first_node(d):
    d.type(PLAIN)
    stop = d.backward("L")
    assert (stop.phase, stop.when, stop.reason) == ("backward", "before", "first node")
    assert (stop.position, stop.total, stop.root) == (1, 3, "L")
    assert (stop.node.id, stop.node.name, stop.node.label) == (1, "SumBackward0", "L")
    assert values(stop.node.grad_in) == ["1"]
    assert stop.node.grad_out == ()
    assert (stop.site.line, stop.site.text) == (3, "L = y.sum()")
    assert d.prompt == protocol.Prompt(state="backward", depth=1)


def test_step_statement_stops_at_its_first_node(d):
    d.type(PLAIN)
    stop = d.type("L.backward()", stepped=True)
    assert stop.node.name == "SumBackward0"


def test_step_statement_meets_torch_autograd_grad(d):
    d.type("from torch.autograd import grad\n" + PLAIN)
    stop = d.type("(g,) = grad(L, x)", stepped=True)
    assert stop.node.name == "SumBackward0"
    assert names(d.step_through()) == ["SumBackward0", "MulBackward0"]
    assert d.value("g.tolist(), x.grad") == "([3.0, 3.0], None)"


def test_nothing_typed_is_stopped_unasked(d):
    d.type(PLAIN)
    d.type("L.backward()")
    assert (d.stops(), d.value("x.grad.tolist()")) == ([], "[3.0, 3.0]")


@pytest.mark.parametrize(
    ("setup", "expression", "message", "hint"),
    [
        ("x = torch.ones(2)", "x.sum()", "no grad_fn", "requires_grad=True"),
        ("x = torch.ones(2).int()", "x.sum()", "dtype", ""),
        (PLAIN, "y", "shape (2,)", "sum()"),
        (PLAIN + "L = (x * x).sum()\nL.backward()", "L", "freed", "retain_graph"),
        (PLAIN, "nosuch", "nosuch", ""),
        (PLAIN, "3", "int", "tensor"),
    ],
)
def test_bw_of_what_has_no_backward(d, setup, expression, message, hint):
    d.type(setup)
    error = d.backward(expression)
    assert isinstance(error, model.Error)
    assert message in error.message
    assert hint in error.hint
    assert (d.prompt.state, d.stops()) == ("idle", [])


# -- order, labels, sites ----------------------------------------------------------------------


def test_order_and_labels(d):
    d.type(NET)
    assert labelled(bw(d)) == NODES


def test_ids_are_places_in_the_predicted_order(d):
    d.type(NET)
    assert [node.id for node in nodes(bw(d))] == list(range(1, 11))


def test_rows_are_predicted_then_done(d):
    d.type(NET)
    at(d, "TanhBackward0")
    rows = d.look(protocol.NodeRows(first=0, count=20)).rows
    assert [(row.name, row.label) for row in rows] == NODES
    assert [row.state for row in rows] == ["done"] * 5 + ["here"] + ["predicted"] * 4
    assert [row.norm is None for row in rows] == [False] * 6 + [True] * 4
    assert rows[4].shape == (2, 4)


def test_sites_and_modules_of_nodes(d, script):
    path = script("""\
        import torch
        from torch import nn
        net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        h = net(torch.ones(1, 2))
        L = (h * 2).sum()
        L.backward()
    """)
    d.load(path)
    found = [
        (stop.node.name, stop.module, stop.site.line)
        for stop in d.step_through()
        if stop.phase == "backward"
    ]
    assert found == [
        ("SumBackward0", "", 5),
        ("MulBackward0", "", 5),
        ("ReluBackward0", "1", 4),
        ("AddmmBackward0", "0", 4),
        ("AccumulateGrad", "0", 6),
        ("TBackward0", "0", 4),
        ("AccumulateGrad", "0", 6),
    ]


def test_edges_say_where_each_gradient_goes(d):
    d.type(NET)
    stop = at(d, "AddmmBackward0")
    assert [(edge.node, edge.label) for edge in stop.node.edges] == [
        (3, "#3 fc2.bias"), (6, "#6 TanhBackward0"), (4, "#4 TBackward0"),
    ]  # fmt: skip


def test_no_edge_where_no_gradient_is_needed(d):
    d.type(PLAIN)
    stop = at(d, "MulBackward0")
    assert [(edge.node, edge.label) for edge in stop.node.edges] == [(3, "#3 x"), (0, "none")]


def test_path_from_the_loss(d):
    d.type(NET)
    at(d, "TanhBackward0")
    path = d.look(protocol.FrameStack()).path
    assert [part.split(" (")[0] for part in path] == [
        "#1 MeanBackward0", "#2 AddmmBackward0", "#6 TanhBackward0",
    ]  # fmt: skip


def test_up_and_down_go_toward_the_loss_and_the_leaves(d):
    d.type(PLAIN)
    at(d, "MulBackward0")
    found = [d.look(protocol.FrameStack(move=move)) for move in (1, -1, -1)]
    assert [node.name for node in found] == ["SumBackward0", "MulBackward0", "AccumulateGrad"]
    assert values(found[1].grad_in) == ["[1, 1]"]
    assert isinstance(d.look(protocol.FrameStack(move=-1)), model.Error)
    assert d.step().node.label == "x"


# -- verbs -------------------------------------------------------------------------------------


def test_finish_stops_after_the_node(d):
    d.type(PLAIN)
    at(d, "MulBackward0")
    stop = d.go(c.Finish())
    assert (stop.when, stop.node.name) == ("after", "MulBackward0")
    assert values(stop.node.grad_in) == ["[1, 1]"]
    assert values(stop.node.grad_out) == ["[3, 3]", None]
    assert d.step().node.name == "AccumulateGrad"


def test_next_skips_what_only_passes_a_gradient_on(d):
    d.type(NET)
    assert names(bw(d, verb=c.Next)) == [
        "MeanBackward0", "AddmmBackward0", "TanhBackward0", "AddmmBackward0",
    ]  # fmt: skip


def test_return_leaves_the_module(d):
    d.type(NET)
    at(d, "AddmmBackward0")
    assert labelled([d.go(c.Return())]) == [("TanhBackward0", "act")]
    assert labelled([d.go(c.Return())]) == [("AddmmBackward0", "fc1")]
    assert isinstance(d.go(c.Return()), model.Pass)


def test_until(d):
    d.type(NET)
    d.backward("L")
    assert d.go(c.Until(5)).node.id == 5
    assert d.until("leaf fc1.bias").node.label == "fc1.bias"
    d.cont()
    d.type("L = net(data).mean()")
    d.backward("L")
    assert d.until("node AddmmBackward*").node.label == "fc2"
    assert d.until("node Addmm*").node.label == "fc1"


def test_step_with_a_count(d):
    d.type(NET)
    d.backward("L")
    assert d.go(c.Step(3)).node.id == 4


def test_continue_tells_the_pass(d):
    d.type(NET)
    d.backward("L")
    (ended,) = d.cont()
    assert (ended.outcome, ended.nodes_run, ended.total, ended.root) == ("finished", 10, 10, "L")
    assert ended.accumulated_count == 4
    assert sorted(leaf.name for leaf in ended.accumulated) == [
        "fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight",
    ]  # fmt: skip


# -- accumulating ------------------------------------------------------------------------------


def test_accumulated_so_far(d):
    d.type(NET)
    so_far = [[leaf.name for leaf in stop.accumulated] for stop in bw(d)]
    assert so_far == [
        [], [], [],
        ["fc2.bias"], ["fc2.bias"],
        ["fc2.bias", "fc2.weight"], ["fc2.bias", "fc2.weight"], ["fc2.bias", "fc2.weight"],
        ["fc2.bias", "fc2.weight", "fc1.bias"], ["fc2.bias", "fc2.weight", "fc1.bias"],
    ]  # fmt: skip


def test_abort_says_what_had_accumulated(d):
    d.type(NET)
    at(d, "TanhBackward0")
    ended, notice = d.run(protocol.Abort())
    assert (ended.outcome, ended.nodes_run, ended.total) == ("aborted", 5, 10)
    assert [leaf.name for leaf in ended.accumulated] == ["fc2.bias", "fc2.weight"]
    assert notice.message == "aborted: fc2.bias, fc2.weight had accumulated a gradient."
    assert d.value("net.fc1.weight.grad is None, net.fc2.bias.grad is None") == "(True, False)"


def test_after_an_abort_the_retained_graph_is_usable(d):
    d.type(NET)
    d.type("L.backward(retain_graph=True)", stepped=True)
    d.until("leaf fc1.bias")
    d.run(protocol.Abort())
    d.type("net.zero_grad()")
    assert labelled(bw(d)[-10:]) == NODES
    assert d.told[-1].outcome == "finished"


def test_abort_reaches_the_caller_of_backward(d):
    d.type(PLAIN)
    d.type("""\
try:
    L.backward()
except BaseException as e:
    said = type(e).__name__, isinstance(e, Exception)
""", stepped=True)  # fmt: skip
    d.run(protocol.Abort())
    assert d.value("said") == "('Aborted', False)"


# -- saved values ------------------------------------------------------------------------------


def saved(stop):
    return {each.name: each for each in stop.node.saved}


def test_saved_tensors(d):
    d.type("a = torch.ones(2, requires_grad=True)\nb = torch.ones(2, requires_grad=True)")
    d.type("L = (a * b).sum()")
    found = saved(at(d, "MulBackward0"))
    assert {name: (s.tensor.name, s.tensor.shape, s.tensor.version, s.state)
            for name, s in found.items()} == {
        "self": ("a", (2,), 0, "ok"), "other": ("b", (2,), 0, "ok"),
    }  # fmt: skip


def test_saved_tensor_changed_in_place(d):
    d.type("a = torch.ones(2, requires_grad=True)\nh = a.exp()\nh.add_(1)\nL = h.sum()")
    assert saved(at(d, "ExpBackward0"))["result"].state == "changed in place"
    ended, error = d.cont()
    assert ended.outcome.startswith("raised RuntimeError: one of the variables needed")
    assert (error.kind, "clone" in error.hint) == ("RuntimeError", True)


def test_saved_tensor_freed(d):
    d.type("a = torch.ones(2, requires_grad=True)\nh = a.exp()\nL = h.sum()\nL.backward()")
    stop = d.type("(h * 1).sum().backward()", stepped=True)
    while stop.node is None or stop.node.name != "ExpBackward0":
        stop = d.step()
    assert saved(stop)["result"].state == "freed"
    ended, error = d.cont()
    assert ended.outcome.startswith("raised RuntimeError: Trying to backward")
    assert "retain_graph" in error.hint


def test_packed_values_are_not_unpacked_for_show(d):
    d.type("""\
unpacked = []
def unpack(v):
    unpacked.append(1)
    return v
a = torch.ones(2, requires_grad=True)
with torch.autograd.graph.saved_tensors_hooks(lambda v: v, unpack):
    L = a.exp().sum()
""")
    assert saved(at(d, "ExpBackward0"))["result"].state == "packed"
    assert d.value("unpacked") == "[]"
    d.cont()
    assert d.value("unpacked") == "[1]"


# -- kinds of backward -------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "keep"), [("x * x", "retain_graph=True"), ("x + x", "")])
def test_nothing_piles_up_on_a_graph_that_is_kept(d, loss, keep):
    d.break_at("leaf nosuch")
    d.type(f"import gc, collections\nx = torch.ones(3, requires_grad=True); L = ({loss}).sum()")
    d.type("""def dictionaries():
    gc.collect()
    return sum(type(each) is collections.OrderedDict for each in gc.get_objects())
""")
    d.type(f"L.backward({keep}); before = dictionaries()")
    d.type(f"for _ in range(50): L.backward({keep})")
    assert d.value("dictionaries() - before") == "0"
    assert d.value("x.grad.tolist()") == str([2.0 * 51] * 3)


def test_retain_graph_and_a_second_backward(d):
    d.type("a = torch.ones(2, requires_grad=True)\nL = a.exp().sum()")
    stops = d.walk("L.backward(retain_graph=True)\nL.backward()")
    assert names(stops) == ["SumBackward0", "ExpBackward0", "AccumulateGrad"] * 2
    assert [r.outcome for r in d.told if isinstance(r, model.Pass)] == ["finished"] * 2
    assert stops[-1].node.grad_in[0].values == "[2.718, 2.718]"
    assert d.value("a.grad.tolist() == [2 * v for v in a.detach().exp().tolist()]") == "True"


def test_create_graph_and_the_backward_of_a_gradient(d):
    d.type("a = torch.tensor([2.0], requires_grad=True)\nL = (a ** 3).sum()")
    stops = d.walk("(g,) = torch.autograd.grad(L, a, create_graph=True)\ng.sum().backward()")
    assert names(stops)[:2] == ["SumBackward0", "PowBackward0"]
    assert "AccumulateGrad" in names(stops)
    assert d.value("g.tolist(), a.grad.tolist()") == "([12.0], [12.0])"


def test_several_roots(d):
    d.type("a = torch.ones(2, requires_grad=True)\nb = torch.ones(2, requires_grad=True)")
    stops = d.walk("torch.autograd.backward([(a * 2).sum(), (b * 3).sum()])")
    assert labelled(stops) == [
        ("SumBackward0", ""), ("MulBackward0", ""), ("AccumulateGrad", "b"),
        ("SumBackward0", ""), ("MulBackward0", ""), ("AccumulateGrad", "a"),
    ]  # fmt: skip


def test_inputs_leaves_other_leaves_alone(d):
    d.type("a = torch.ones(2, requires_grad=True)\nb = torch.ones(2, requires_grad=True)")
    d.type("L = (a * b).sum()")
    stops = d.walk("L.backward(inputs=[b])")
    assert labelled(stops) == [
        ("SumBackward0", "L"), ("MulBackward0", ""), ("AccumulateGrad", "b"),
    ]  # fmt: skip
    assert [stop.total for stop in stops] == [3, 3, 3]
    assert d.value("a.grad, b.grad.tolist()") == "(None, [1.0, 1.0])"


def test_a_root_that_is_no_scalar(d):
    d.type(PLAIN)
    stops = d.walk("y.backward(torch.tensor([1.0, 10.0]))")
    assert [(n.name, values(n.grad_in)) for n in nodes(stops)] == [
        ("MulBackward0", ["[1, 10]"]), ("AccumulateGrad", ["[3, 30]"]),
    ]  # fmt: skip


def test_a_leaf_as_root(d):
    d.type("a = torch.tensor(2.0, requires_grad=True)")
    assert labelled(d.walk("a.backward()")) == [("AccumulateGrad", "a")]


def test_a_none_gradient(d):
    d.type("a = torch.ones(2, 3, requires_grad=True)\nu, v = a.unbind()\nL = u.sum()")
    stop = at(d, "UnbindBackward0")
    assert values(stop.node.grad_in) == ["[1, 1, 1]", None]


def test_sparse_gradients(d):
    d.type("e = nn.Embedding(4, 2, sparse=True)\nL = e(torch.tensor([1, 1])).sum()")
    (gradient,) = at(d, "AccumulateGrad").node.grad_in
    assert (gradient.layout, gradient.shape) == ("sparse_coo", (4, 2))
    assert gradient.stats.norm == pytest.approx(8**0.5)


def test_complex_gradients(d):
    d.type("z = torch.tensor([3 + 4j], requires_grad=True)\nL = z.abs().sum()")
    (gradient,) = at(d, "AccumulateGrad").node.grad_in
    assert (gradient.dtype, gradient.stats.norm) == ("complex64", pytest.approx(1.0))
    assert (gradient.stats.min, gradient.stats.nans) == (None, 0)


def test_integers_on_the_way(d):
    d.type("""\
e = nn.Embedding(4, 2)
k = torch.tensor([0, 3])
L = (e(k) * k[:, None]).sum()
""")
    stop = at(d, "EmbeddingBackward0")
    assert saved(stop)["indices"].tensor.dtype == "int64"
    assert d.cont()[0].outcome == "finished"


def test_empty_tensors(d):
    d.type("a = torch.ones(0, requires_grad=True)\nL = a.sum()")
    (gradient,) = at(d, "AccumulateGrad").node.grad_in
    assert (gradient.shape, gradient.stats.norm) == ((0,), 0.0)


def test_a_view_written_in_place(d):
    d.type("""\
a = torch.ones(3, requires_grad=True)
b = a.clone()
b[0].mul_(5)
L = b.sum()
""")
    assert names(bw(d)) == ["SumBackward0", "CopySlices", "CloneBackward0", "AccumulateGrad"]
    assert d.value("a.grad.tolist()") == "[5.0, 1.0, 1.0]"


CUSTOM = """\
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.power = 2
        return x * x
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        twice = x * ctx.power
        return twice * g
a = torch.tensor([3.0], requires_grad=True)
L = Square.apply(a).sum()
"""


def test_custom_function_is_a_node_with_its_context(d):
    d.type(CUSTOM)
    stop = at(d, "SquareBackward")
    assert {name: (s.value, s.state) for name, s in saved(stop).items()} == {
        "saved_tensors[0]": ("", "ok"), "ctx.power": ("2", "ok"),
    }  # fmt: skip
    assert stop.node.rule == "Square.backward, in Python"
    assert d.value("node.power") == "2"


def test_custom_function_was_made_by_a_line(d):
    d.type(CUSTOM)
    assert at(d, "SquareBackward").site.text == "L = Square.apply(a).sum()"


def test_into_the_python_backward_of_a_custom_function(d):
    d.type(CUSTOM)
    at(d, "SquareBackward")
    stop = d.step()
    assert (stop.phase, stop.op.name, stop.site.function) == ("forward", "mul", "backward")
    assert d.value("ctx.power, ctx.saved_tensors[0].tolist()") == "(2, [3.0])"
    assert d.step().op.name == "mul"
    assert d.step().node.name == "AccumulateGrad"


def test_next_passes_over_the_python_backward(d):
    d.type(CUSTOM)
    assert [s.op and s.op.name for s in bw(d, verb=c.Next)] == [None, None]


def test_checkpoint_inside_the_backward_is_a_pass_of_its_own(d):
    d.type("""\
from torch.utils.checkpoint import checkpoint
m = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
x = torch.ones(1, 2, requires_grad=True)
L = checkpoint(m, x, use_reentrant=True).sum()
""")
    found = [stop.node.name for stop in bw(d) if stop.node]
    assert found == [
        "SumBackward0", "CheckpointFunctionBackward",
        "TanhBackward0", "AddmmBackward0", "AccumulateGrad", "AccumulateGrad", "TBackward0",
        "AccumulateGrad", "AccumulateGrad",
    ]  # fmt: skip
    passes = [r for r in d.told if isinstance(r, model.Pass)]
    assert [(p.outcome, p.nodes_run) for p in passes] == [("finished", 6), ("finished", 3)]


def test_user_hooks_run_as_without_us(d):
    d.type("""\
seen = []
a = torch.ones(2, requires_grad=True)
a.register_hook(lambda g: g * 2)
a.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
h = a * 3
h.register_hook(lambda g: seen.append(g.tolist()))
h.grad_fn.register_prehook(lambda g: (g[0] * 10,))
L = h.sum()
""")
    stops = bw(d)
    assert names(stops) == ["SumBackward0", "MulBackward0", "AccumulateGrad"]
    assert d.value("seen") == "[[1.0, 1.0], [60.0, 60.0]]"
    assert nodes(stops)[-1].hooks == 2


def test_a_hook_of_the_users_that_raises(d):
    d.type("a = torch.ones(2, requires_grad=True)\nh = a * 3\nL = h.sum()")
    d.type("def bad(g):\n    raise ValueError('mine')\nh.register_hook(bad)")
    d.backward("L")
    ended, error = d.cont()
    assert (ended.outcome, error.message) == ("raised ValueError: mine", "ValueError: mine")
    assert "line 2, in bad" in error.traceback


def test_a_backward_inside_a_hook_of_the_users(d):
    d.type("""\
a = torch.ones(2, requires_grad=True)
b = torch.ones(2, requires_grad=True)
h = a * 3
@torch.enable_grad()
def inner(g):
    (b * b).sum().backward()
h.register_hook(inner)
L = h.sum()
""")
    assert labelled(bw(d)) == [
        ("SumBackward0", "L"),
        ("SumBackward0", ""), ("MulBackward0", ""), ("AccumulateGrad", "b"),
        ("MulBackward0", "h"), ("AccumulateGrad", "a"),
    ]  # fmt: skip
    assert d.value("a.grad.tolist(), b.grad.tolist()") == "([3.0, 3.0], [2.0, 2.0])"


# -- typing at a stop --------------------------------------------------------------------------


def test_names_at_a_stop(d):
    d.type(PLAIN)
    at(d, "MulBackward0")
    assert d.value("node.name(), [g.tolist() for g in grad_in], saved['other'].item(), leaf") == (
        "('MulBackward0', [[1.0, 1.0]], 3, None)"
    )
    assert d.value("$gin[0].tolist()") == "[1.0, 1.0]"
    stop = d.step()
    assert (stop.node.name, d.value("leaf is x")) == ("AccumulateGrad", "True")


def test_replacing_a_gradient(d):
    d.type(PLAIN)
    at(d, "MulBackward0")
    d.type("grad_in[0] = torch.tensor([10.0, 20.0])")
    assert values(d.step().node.grad_in) == ["[30, 60]"]
    d.cont()
    assert d.value("x.grad.tolist()") == "[30.0, 60.0]"


def test_grad_mode_is_on_for_typed_code(d):
    d.type(PLAIN)
    at(d, "MulBackward0")
    assert d.value("torch.is_grad_enabled()") == "True"
    assert d.value("(torch.ones(2, requires_grad=True) * 2).requires_grad") == "True"


def test_autograd_on_the_same_graph_at_a_stop(d):
    d.type("a = torch.tensor([1.0], requires_grad=True)\nh = a.exp() * 2\nL = h.sum()")
    at(d, "MulBackward0")
    before = len(d.stops())
    assert d.value("torch.autograd.grad(L, a, retain_graph=True)[0].tolist() == h.tolist()") == (
        "True"
    )
    value = d.type("torch.autograd.grad(h.sum(), a, create_graph=True)[0]")
    assert value.tensor.requires_grad
    assert len(d.stops()) == before
    assert names([d.step()]) == ["ExpBackward0"]
    assert d.cont()[0].outcome == "finished"


def test_an_error_typed_at_a_stop_leaves_the_stop_as_it_is(d):
    d.type(PLAIN)
    at(d, "MulBackward0")
    error = d.type("1 / 0")
    assert (error.kind, d.prompt.state) == ("ZeroDivisionError", "backward")
    assert d.step().node.name == "AccumulateGrad"


def test_a_stepped_backward_typed_at_a_stop_nests(d):
    d.type(PLAIN + "b = torch.ones(2, requires_grad=True)\nM = (b * 5).sum()")
    at(d, "MulBackward0")
    stop = d.backward("M")
    assert (stop.depth, stop.node.label, d.prompt.depth) == (2, "M", 2)
    d.cont()
    assert d.prompt == protocol.Prompt(state="backward", depth=1)
    assert d.step().node.label == "x"


def test_names_in_a_function_at_a_backward_stop(d):
    d.type(PLAIN + "def train(rate):\n    loss = (x * rate).sum()\n    loss.backward()\n")
    d.type("train(7)", stepped=True)
    d.go(c.FirstNode())
    assert d.value("rate") == "7"
    assert [f.site.function for f in d.look(protocol.FrameStack()).frames] == ["train", "<module>"]


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("y, torch.tensor([1.0, -2.0])", "y.backward(torch.tensor([1.0, -2.0]))"),
        ("y, gradient=torch.ones(2), inputs=[a]", "y.sum().backward()"),
        ("(y * 3).sum(), retain_graph=True", "(y * 3).sum().backward()"),
    ],
)
def test_bw_passes_arguments_on(d, typed, same):
    make = "a = torch.tensor([1.0, 2.0], requires_grad=True)\ny = a ** 2\n"
    expected = d.type(make + same + "\na.grad").text
    d.type(make)
    stop = d.backward(typed)
    assert (stop.phase, stop.position) == ("backward", 1)
    d.cont()
    assert d.value("a.grad") == expected
    kept = "retain" in typed
    assert isinstance(d.backward("y.sum()"), model.Stop if kept else model.Error)


def test_what_a_freed_graph_asks_for_can_be_typed(d):
    d.type("a = torch.ones(2, requires_grad=True)\ny = (a ** 2).sum()")
    d.backward("y, retain_graph=True")
    d.cont()
    d.backward("y")
    d.cont()
    assert ":bw y, retain_graph=True" in d.backward("y").hint
    assert ":bw a, torch.ones((2,))" in d.backward("a").hint
    assert d.backward("a, torch.ones((2,))").node.name == "AccumulateGrad"


def test_an_edit_of_what_exists_only_at_a_stop_is_taken_or_refused(d):
    def said() -> list[str]:
        found = [each.message for each in d.told if isinstance(each, model.Notice)]
        d.told.clear()
        return found

    d.type("w = torch.ones(3, requires_grad=True); y = (w * 2).sum()")
    d.backward("y")
    d.until("node MulBackward*")
    d.type("grad_in = (grad_in[0] * 5,)")
    assert said() == []
    assert d.value("grad_in[0].tolist()") == "[5.0, 5.0, 5.0]"
    d.go(c.Finish())
    d.type("grad_out = [None]")
    d.type("grad_out[0] = grad_out[0] * 7")
    assert [each.partition(" only")[0] for each in said()] == ["'grad_out'", "'grad_out'"]
    assert d.value("grad_out[0].tolist()") == "[10.0, 10.0, 10.0]"
    d.cont()
    assert d.value("w.grad.tolist()") == "[10.0, 10.0, 10.0]"
    d.break_at("op relu")
    d.type("z = torch.ones(2).relu()")
    for line in ("out = out * 0", "outputs = []"):
        d.type(line)
        (notice,) = said()
        assert "'out.mul_(0)' writes into the tensor itself" in notice
    d.type("out.mul_(3)")
    d.type("mine = 4")
    assert said() == []
    d.look(protocol.ChangeBreakpoint(id=0, action="clear"))
    d.cont()
    assert d.value("z.tolist(), mine") == "([3.0, 3.0], 4)"
