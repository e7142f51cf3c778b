"""Forward stops: one for each call of torch's API: where it is, what went in, what came out."""

from __future__ import annotations

import pytest
from debuggee import debuggee

from gradrepl import conditions as c
from gradrepl import model, protocol

DATA = "x = torch.ones(2, 3)\nw = torch.ones(3, 3, requires_grad=True)\n"

NET = """\
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 3)
        self.act = nn.ReLU(inplace=True)
    def forward(self, x):
        h = self.fc1(x)
        h = self.act(h)
        return h * 2
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(Block(), Block())
        self.head = nn.Linear(3, 1)
    def forward(self, x):
        h = x + 1
        h = self.encoder(h)
        h = h - 1
        return self.head(h)
net = Net()
x = torch.ones(2, 3)
"""


def done(stops):
    """Return the ops of the stops after them, in order; the first stop is before its op."""
    return [stop.op for stop in stops if stop.when == "after"]


def names(stops):
    return [op.name for op in done(stops)]


def before(d, name, verb=c.Step):
    """Go on with ``verb`` until the op ``name`` has run."""
    while d.prompt.state != "idle":
        stop = d.go(verb())
        if isinstance(stop, model.Stop) and stop.op.name == name:
            return stop
    raise AssertionError(f"{name} never ran")


# -- what a stop says --------------------------------------------------------------------------


def test_first_stop_is_before_its_op(d):
    d.type(DATA)
    stop = d.type("y = x @ w", stepped=True)
    assert (stop.phase, stop.when, stop.reason, stop.op.name) == (
        "forward", "before", "start", "matmul",
    )  # fmt: skip
    assert stop.op.outputs == ()
    assert d.prompt == protocol.Prompt(state="forward", depth=1)
    assert d.step().op.outputs != ()
    assert d.step() is None
    assert d.prompt == protocol.Prompt(state="idle", depth=0)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x @ w", ["matmul"]),
        ("(x + 1).relu()", ["add", "relu"]),
        ("F.linear(x, w)", ["linear"]),
        ("F.cross_entropy(x, torch.tensor([0, 1]))", ["tensor", "cross_entropy"]),
        ("x[0, 1:]", ["__getitem__"]),
        ("x[0] = 2.0", ["__setitem__"]),
        ("torch.cat([x, x]).view(3, 4)", ["cat", "view"]),
        ("x.T", ["T"]),
        ("x.data.fill_(2)", ["data", "fill_"]),
        ("x.detach().add_(1)", ["detach", "add_"]),
        ("x.sum().item()", ["sum", "item"]),
        ("x.shape, x.size(), len(x), x.requires_grad, x.is_leaf, x.device, x.grad", []),
        ("torch.zeros(2)", ["zeros"]),
        ("torch.einsum('ij,jk->ik', x, w)", ["einsum"]),
        ("[x.add(i) for i in range(3)]", ["add", "add", "add"]),
        ("torch.device('cpu'), torch.is_tensor(x), torch.is_grad_enabled()", []),
    ],
)
def test_names_of_ops(d, line, expected):
    d.type(DATA)
    assert names(d.walk(line)) == expected


def test_sites_are_the_users_lines(d, script):
    path = script("""\
        import torch
        from torch import nn

        def double(v):
            return v * 2

        net = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        for i in range(2):
            y = double(
                net(torch.ones(2)))
    """)
    d.load(path)
    sites = [stop.site for stop in d.step_through() if stop.op.name in ("mul", "tanh", "linear")]
    assert {site.file for site in sites} == {str(path)}
    assert [(site.line, site.function, site.text) for site in sites[-3:]] == [
        (10, "<module>", "net(torch.ones(2)))"),
        (10, "<module>", "net(torch.ones(2)))"),
        (5, "double", "return v * 2"),
    ]


def test_module_paths_and_classes(d):
    d.type(NET)
    assert [(op.name, op.module, op.module_class) for op in done(d.walk("y = net(x).mean()"))] == [
        ("add", "Net", "Net"),
        ("linear", "encoder.0.fc1", "Linear"),
        ("relu", "encoder.0.act", "ReLU"),
        ("mul", "encoder.0", "Block"),
        ("linear", "encoder.1.fc1", "Linear"),
        ("relu", "encoder.1.act", "ReLU"),
        ("mul", "encoder.1", "Block"),
        ("sub", "Net", "Net"),
        ("linear", "head", "Linear"),
        ("mean", "", ""),
    ]


def test_inputs_and_outputs(d):
    d.type("m = nn.Linear(3, 4, dtype=torch.float64)\nx = torch.zeros(2, 3, dtype=torch.float64)")
    (op,) = done(d.walk("y = m(x)"))
    said = [(t.name, t.shape, t.dtype, t.device, t.requires_grad) for t in op.inputs + op.outputs]
    assert said == [
        ("x", (2, 3), "float64", "cpu", False),
        ("weight", (4, 3), "float64", "cpu", True),
        ("bias", (4,), "float64", "cpu", True),
        ("", (2, 4), "float64", "cpu", True),
    ]
    (output,) = op.outputs
    assert (output.grad_fn, output.is_leaf, output.version) == ("AddmmBackward0", False, 0)
    assert output.stats.nans == output.stats.infs == 0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("y = x * w", ("MulBackward0",)),
        ("y = F.linear(x, w, w[0])", ("SelectBackward0",)),
        ("y = x @ x", ()),
        ("y = w.unbind()", ("UnbindBackward0",)),
        ("with torch.no_grad(): w * 2", ()),
    ],
)
def test_nodes_that_a_call_created(d, line, expected):
    d.type("x = torch.ones(3, 3)\nw = torch.ones(3, 3, requires_grad=True)")
    assert done(d.walk(line))[0].nodes == expected


def test_nodes_inside_of_a_call_count_as_created_by_it(d):
    d.type("x = torch.ones(2, 3)\nm = nn.Linear(3, 4)\nlabels = torch.tensor([0, 1])")
    linear, loss = done(d.walk("L = F.cross_entropy(m(x), labels)"))
    assert sorted(linear.nodes) == ["AddmmBackward0", "TBackward0"]
    assert sorted(loss.nodes) == ["LogSoftmaxBackward0", "NllLossBackward0"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x.add_(1)", ("input 0: v0 -> v1",)),
        ("x += 1", ("input 0: v0 -> v1",)),
        ("x[0] = 5", ("input 0: v0 -> v1",)),
        ("torch.add(y, y, out=x)", ("input 2: v0 -> v1",)),
        ("F.relu(x, inplace=True)", ("input 0: v0 -> v1",)),
        ("x + 1", ()),
        ("x[0].zero_()", ("input 0: v0 -> v1",)),
    ],
)
def test_version_bumps(d, line, expected):
    d.type("x = torch.ones(2, 3)\ny = torch.ones(2, 3)")
    assert done(d.walk(line))[-1].bumped == expected


def test_modes(d):
    d.type(DATA)
    stops = d.walk("""\
y = w + 1
with torch.no_grad():
    w + 1
    with torch.enable_grad():
        w + 1
with torch.inference_mode():
    z = x + 1
    z.mul_(2)
with torch.autocast("cpu", dtype=torch.bfloat16):
    v = x @ w
""")
    assert [(op.name, op.mode, op.outputs[0].dtype) for op in done(stops)] == [
        ("add", "", "float32"),
        ("add", "no_grad", "float32"),
        ("add", "", "float32"),
        ("add", "inference_mode", "float32"),
        ("mul_", "inference_mode", "float32"),
        ("matmul", "autocast", "bfloat16"),
    ]
    assert done(stops)[3].outputs[0].version is None


def test_default_device_and_modes_of_the_users(d):
    d.type("""\
from torch.overrides import TorchFunctionMode
seen = []
class Count(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        seen.append(func.__name__)
        return func(*args, **(kwargs or {}))
""")
    stops = d.walk("""\
with torch.device("meta"):
    a = torch.zeros(2)
with Count():
    b = torch.ones(2)
    b = b + 1
c = b * 2
""")
    assert [(op.name, op.outputs[0].device) for op in done(stops)] == [
        ("zeros", "meta"), ("ones", "cpu"), ("add", "cpu"), ("mul", "cpu"),
    ]  # fmt: skip
    assert d.value("seen") == "['ones', 'add']"


# -- what is shown of torch's own constructions ------------------------------------------------


def test_custom_function(d):
    d.type("""\
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g
w = torch.ones(3, requires_grad=True)
""")
    ops = done(d.walk("y = Square.apply(w).sum()"))
    assert [(op.name, op.site.function, op.mode) for op in ops] == [
        ("mul", "forward", "no_grad"), ("Square", "<module>", ""), ("sum", "<module>", ""),
    ]  # fmt: skip


def test_recurrent_modules(d):
    d.type("rnn = nn.LSTM(3, 2)\ncell = nn.RNNCell(3, 2)\nx = torch.ones(4, 1, 3)")
    ops = done(d.walk("y, _ = rnn(x)\nh = cell(x[0])"))
    assert [(op.name, op.module) for op in ops if op.name != "zeros"] == [
        ("lstm", "rnn"), ("__getitem__", ""), ("rnn_tanh_cell", "cell"),
    ]  # fmt: skip


def test_user_hooks(d):
    d.type("""\
m = nn.Linear(2, 2)
def double(module, inputs, output):
    return output * 2
handle = m.register_forward_hook(double)
""")
    assert [(op.name, op.site.function) for op in done(d.walk("y = m(torch.ones(1, 2))"))] == [
        ("ones", "<module>"), ("linear", "<module>"), ("mul", "double"),
    ]  # fmt: skip


@pytest.mark.parametrize("reentrant", [True, False])
def test_recomputation_of_a_checkpoint_is_shown_as_such(d, reentrant):
    d.type("""\
from torch.utils.checkpoint import checkpoint
m = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
x = torch.ones(1, 2, requires_grad=True)
""")
    stops = d.walk(f"L = checkpoint(m, x, use_reentrant={reentrant}).sum()\nL.backward()")
    again = [stop.op for stop in stops if stop.op and "recomputation" in stop.op.mode]
    early = [("linear", "0")]  # the other kind stops inside of tanh, when all is there again
    assert [(op.name, op.module) for op in again if op.module and op.outputs] == (
        [*early, ("tanh", "1")] if reentrant else early
    )
    assert {op.name for op in again if not op.module} <= {"detach"}
    assert {op.site.text for op in again} == {"L.backward()"}


def test_optimizer_is_not_stepped_into(d):
    d.type("""\
m = nn.Linear(2, 1)
o = torch.optim.Adam(m.parameters())
m(torch.ones(1, 2)).sum().backward()
""")
    assert names(d.walk("o.step()\no.zero_grad()\ny = torch.ones(1) + 1")) == ["ones", "add"]


def test_an_op_that_raises(d):
    d.type(DATA)
    stop = d.type("y = x @ x", stepped=True)
    assert stop.op.name == "matmul"
    error = d.step()
    assert (error.kind, "line 1" in error.traceback) == ("RuntimeError", True)
    assert "gradrepl" not in error.traceback
    assert d.prompt.state == "idle"


# -- verbs -------------------------------------------------------------------------------------


def test_step_with_a_count(d):
    d.type(DATA)
    d.type("for i in range(9): y = x + i", stepped=True)
    d.go(c.Step(3))
    assert d.value("i") == "2"


def test_next_takes_a_child_module_as_one_step(d):
    d.type(NET)
    stops = d.walk("y = net(x).mean()", c.Next)
    assert [(op.name, op.module) for op in done(stops)] == [
        ("add", "Net"), ("sub", "Net"), ("mean", ""),
    ]  # fmt: skip


def test_next_takes_a_backward_as_one_step(d):
    d.type(NET)
    stops = d.walk("L = net(x).mean()\nL.backward()\ny = L + 1", c.Next)
    assert [(stop.op.name, stop.phase) for stop in stops[-2:]] == [
        ("mean", "forward"), ("add", "forward"),
    ]  # fmt: skip


def test_return_leaves_the_module(d):
    d.type(NET)
    d.type("y = net(x).mean()", stepped=True)
    before(d, "linear")
    reached = [d.go(c.Return()) for _ in range(2)]
    assert [stop.module for stop in reached] == ["encoder.0.act", "encoder.0"]
    assert d.go(c.Return()).module == "encoder.1.fc1"


def test_return_leaves_the_function(d):
    d.type("def f(v):\n    v = v + 1\n    v = v * 2\n    return v.exp()\nx = torch.ones(2)")
    d.type("y = f(x)\nz = y.sum()", stepped=True)
    assert d.go(c.Return()).op.name == "sum"


LOOP = """\
def f(x):
    for i in range(3):
        x = x + 1
        x = x * 2
    return x.exp()
"""


def test_until_leaves_a_loop(d):
    d.type(LOOP)
    d.type("y = f(torch.ones(2))", stepped=True)
    before(d, "add")
    assert [d.go(c.Until()).op.name for _ in range(2)] == ["mul", "exp"]


def test_until_a_line(d):
    d.type(LOOP)
    d.type("y = f(torch.ones(2))", stepped=True)
    before(d, "add")
    assert d.go(c.Until(4)).op.name == "mul"
    assert d.go(c.Until(5)).op.name == "exp"


def test_until_a_condition(d):
    d.type(LOOP)
    d.type("y = f(torch.ones(2))", stepped=True)
    stop = d.until("op mul, i == 2")
    assert (stop.op.name, d.value("i")) == ("mul", "2")
    assert d.look(protocol.ListBreakpoints()).rows == ()


def test_into_a_function_of_torchs_written_in_python(d):
    d.type("m = nn.MultiheadAttention(4, 2)\nk = torch.ones(3, 1, 4)")
    d.type("y, _ = m(k, k, k)", stepped=True)
    stop = d.go(c.Into())
    inside = [stop]
    while stop.op.depth:
        stop = d.step()
        inside.append(stop)
    called = [stop.op.name for stop in inside]
    assert "linear" in called
    assert "softmax" in called
    assert called[-1] == "multi_head_attention_forward"
    assert {stop.op.depth for stop in inside[:-1]} == {1}
    assert d.step() is None


def test_into_a_builtin_shows_its_aten_ops(d):
    d.type("m = nn.Linear(3, 4)\nx = torch.ones(2, 3)")
    d.type("y = m(x)", stepped=True)
    inside = [d.go(c.Into()), *(d.step() for _ in range(2))]
    assert [(stop.op.name, stop.op.depth) for stop in inside] == [
        ("aten.t.default", 1), ("aten.addmm.default", 1), ("linear", 0),
    ]  # fmt: skip


def test_return_leaves_what_into_opened(d):
    d.type("m = nn.MultiheadAttention(4, 2)\nk = torch.ones(3, 1, 4)")
    d.type("y, _ = m(k, k, k)\nz = y + 1", stepped=True)
    assert d.go(c.Into()).op.depth == 1
    assert d.go(c.Return()).op.name == "add"


def test_into_is_used_up_by_one_op(d):
    d.type("m = nn.Linear(3, 4)\nx = torch.ones(2, 3)")
    d.type("y = m(x)\nz = m(x)", stepped=True)
    d.go(c.Into())
    assert [d.step().op.name for _ in range(3)] == ["aten.addmm.default", "linear", "linear"]


def test_continue_runs_to_the_end(d):
    d.type(NET)
    d.type("y = net(x).mean()", stepped=True)
    assert d.cont() == []
    assert d.prompt.state == "idle"


def test_abort_an_op(d):
    d.type("x = torch.ones(2)")
    d.type("y = x + 1\nz = y * 2", stepped=True)
    d.step()
    (notice,) = d.run(protocol.Abort())
    assert isinstance(notice, model.Notice)
    assert "aborted" in notice.message
    assert d.value("'y' in globals(), 'z' in globals()") == "(False, False)"


# -- looking around ----------------------------------------------------------------------------


def test_frames(d):
    d.type(NET)
    d.type("y = net(x)", stepped=True)
    before(d, "linear")
    found = d.look(protocol.FrameStack())
    assert [(f.site.function, f.site.text, f.selected) for f in found.frames] == [
        ("forward", "h = self.fc1(x)", True),
        ("forward", "h = self.encoder(h)", False),
        ("<module>", "y = net(x)", False),
    ]
    found = d.look(protocol.FrameStack(move=1))
    assert [frame.selected for frame in found.frames] == [False, True, False]
    assert d.value("type(self).__name__") == "'Net'"
    assert isinstance(d.look(protocol.FrameStack(move=2)), model.Error)
    d.look(protocol.FrameStack(move=-1))
    assert d.value("type(self).__name__") == "'Block'"


def test_listing(d, script):
    path = script("""\
        import torch

        def f(x):
            y = x + 1
            return y * 2

        f(torch.ones(2, 3))
    """)
    d.load(path)
    before(d, "mul")
    around = d.look(protocol.Listing(context=1))
    assert [(line.line, line.text, line.here) for line in around.lines] == [
        (4, "    y = x + 1", False), (5, "    return y * 2", True), (6, "", False),
    ]  # fmt: skip
    whole = d.look(protocol.Listing(whole=True))
    assert [line.text.strip() for line in whole.lines] == [
        "def f(x):", "y = x + 1", "return y * 2",
    ]  # fmt: skip
    assert "(2, 3)" in whole.lines[1].note
    d.cont()


def test_print(d):
    d.type(NET)
    d.type("y = net(x)", stepped=True)
    before(d, "sub")
    short = d.look(protocol.Print(expression="self.head.weight.expand(500, 3)"))
    assert (short.kind, short.tensor.shape) == ("Parameter", (500, 3)) or short.kind == "Tensor"
    assert len(short.text) < 200
    full = d.look(protocol.Print(expression="list(range(200))", full=True))
    assert "199" in full.text
    assert isinstance(d.look(protocol.Print(expression="nosuch")), model.Error)


def test_describe_names_the_tensor(d):
    d.type(NET)
    info = d.look(protocol.Describe(expression="net.encoder[1].fc1.bias"))
    assert (info.name, info.shape, info.is_leaf) == ("encoder.1.fc1.bias", (3,), True)


def test_names_at_a_stop(d):
    d.type("x = torch.ones(2)")
    d.type("y = x + 1", stepped=True)
    d.step()
    assert d.value("out.tolist(), [i.tolist() for i in inputs]") == "([2.0, 2.0], [[1.0, 1.0]])"
    d.cont()
    assert d.value("'out' in globals()") == "False"


def test_a_users_variable_wins_over_a_name_of_ours(d):
    d.type("x = torch.ones(2)\nout = 'mine'")
    d.type("y = x + 1", stepped=True)
    d.step()
    assert d.value("out") == "'mine'"
    d.cont()
    assert d.value("out") == "'mine'"


def test_display(d):
    d.type("x = torch.ones(2)")
    d.type("for i in range(2):\n    y = x + i\n    z = x * i", stepped=True)
    d.look(protocol.Display(expression="i"))
    d.look(protocol.Display(expression="nosuch"))
    shown = [[(w.expression, w.text, w.was) for w in d.step().watches] for _ in range(3)]
    assert [rows[0] for rows in shown] == [("i", "0", None), ("i", "0", None), ("i", "1", "0")]
    assert "NameError" in shown[0][1][1]
    d.look(protocol.Display(expression="nosuch", off=True))
    assert [w.expression for w in d.step().watches] == ["i"]


def test_typed_assignments_reach_the_function(d):
    d.type("def f(v):\n    k = 1\n    v = v + k\n    return v * k")
    d.type("y = f(torch.ones(2))", stepped=True)
    before(d, "add")
    d.type("k = 10")
    d.cont()
    assert d.value("y.tolist()") == "[20.0, 20.0]"


def test_typed_code_at_a_stop_stops_nowhere_and_is_not_recorded(d):
    d.type("x = torch.ones(2)\ndef f(v):\n    return v.sin()")
    d.break_at("op sin")
    stop = d.type("y = x + 1\nz = x * 2", stepped=True)
    value = d.type("f(x)")
    assert isinstance(value, model.Value)
    assert names(d.step_through()) == ["add", "mul"]
    assert d.stops()[0] is stop


def test_typed_code_sees_the_users_grad_mode(d):
    d.type("x = torch.ones(2)")
    d.type("with torch.no_grad(): y = x + 1", stepped=True)
    assert d.value("torch.is_grad_enabled()") == "False"


def test_rows_of_ops(d):
    d.type("x = torch.ones(2, 3)")
    d.type("y = (x + 1).relu()\nz = y.sum()", stepped=True)
    before(d, "sum")
    rows = d.look(protocol.OpRows(first=-3, count=3)).rows
    assert [(row.name, row.shape, row.dtype, row.line) for row in rows] == [
        ("add", (2, 3), "float32", 1), ("relu", (2, 3), "float32", 1), ("sum", (), "float32", 2),
    ]  # fmt: skip
    assert d.look(protocol.OpDetail(id=rows[1].id)).name == "relu"


KEPT = """\
import gc, torch
from collections import deque
from gradrepl.engine.forward import recorder
from gradrepl.engine.session import Session
recorder.KEPT = 20
recorder = Session.current.stepper.recorder
recorder.flow.entries, recorder.writes._writes = deque(maxlen=20), deque(maxlen=20)
net = torch.nn.Linear(8, 8)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
counts = []
for turn in range(1, 401):
    optimizer.zero_grad()
    net(torch.randn(4, 8)).square().mean().backward()
    optimizer.step()
    if turn % 100 == 0:
        gc.collect()
        counts.append(len(gc.get_objects()))
"""


@pytest.mark.parametrize("text", ["nan", "grad-norm > 1000000", "nan, turn < 0"])
def test_what_is_kept_of_a_training_is_bounded(script, text):
    """With the bounds made small a hundred steps more hold no more objects than those before."""
    with debuggee(warm=False) as d:
        d.load(script(KEPT))
        d.break_at(text)
        d.cont()
        assert max(eval(d.value("counts"))) - min(eval(d.value("counts"))) < 500


def test_a_past_op_has_its_inputs_as_long_as_they_live(d):
    d.type("x = torch.ones(3); gone = torch.ones(2); y = x.sin(); z = gone.cos() + gone")
    ids = {row.name: row.id for row in d.look(protocol.OpRows(first=-4, count=4)).rows}
    sin = d.look(protocol.OpDetail(id=ids["sin"]))
    assert [(each.name, each.shape) for each in sin.inputs] == [("x", (3,))]
    assert len(d.look(protocol.OpDetail(id=ids["add"])).inputs) == 1, "the cosine has no name"
    d.type("del gone")
    assert d.look(protocol.OpDetail(id=ids["cos"])).inputs == ()
