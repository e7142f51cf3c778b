"""Every kind of breakpoint of the language of conditions, at a real debuggee."""

from __future__ import annotations

import pytest
from debuggee import debuggee

from gradrepl import conditions as c
from gradrepl import model, protocol
from gradrepl.conditions import parse

SCRIPT = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        self.head = nn.Linear(3, 1)

    def forward(self, x):
        h = self.enc(x)
        return self.head(h)


def loss_of(out):
    scaled = out * 2
    return scaled.square().mean()


torch.manual_seed(0)
net = Net()
for i in range(3):
    out = net(torch.ones(4, 2))
    loss = loss_of(out)
    loss.backward()
"""


def where(stop):
    """Say in one word what a stop is at: op, node, line, or the end of a backward."""
    if stop.op:
        return f"{stop.when} {stop.op.name}"
    if stop.phase == "forward":
        return f"line {stop.site.line} of {stop.site.function}"
    return f"{stop.when} {stop.node.name} {stop.node.label}".strip() if stop.node else "end"


def hits(d, path, *breakpoints, limit=50):
    """Load a script, set breakpoints, continue to the end; return the stops."""
    d.load(path)
    for text in breakpoints:
        assert isinstance(d.break_at(text), model.BreakpointInfo)
    first = len(d.stops())
    while d.prompt.state != "idle" and len(d.stops()) < limit:
        d.cont()
    return d.stops()[first:]


@pytest.fixture
def train(script):
    return script(SCRIPT)


def info(d):
    return [
        (row.id, row.text, row.enabled, row.hits) for row in d.look(protocol.ListBreakpoints()).rows
    ]


# -- each kind ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24", ["line 24 of <module>"] * 3),
        ("train.py:17", ["line 17 of loss_of"] * 3),
        ("17, i == 1", ["line 17 of loss_of"]),
        ("loss_of", ["line 17 of loss_of"] * 3),
        ("forward", ["line 12 of forward"] * 3),
        ("18 and op square", ["after square"] * 3),
        ("train.py:18 and op square", ["after square"] * 3),
        ("op relu or 17", ["after relu", "line 17 of loss_of"] * 3),
        ("26", ["line 26 of <module>"] * 3),
        ("op relu", ["after relu"] * 3),
        ("op s*e", ["after square"] * 3),
        ("node ReluBackward0", ["before ReluBackward0 enc.1"] * 3),
        ("node Relu*", ["before ReluBackward0 enc.1"] * 3),
        ("leaf head.bias", ["before AccumulateGrad head.bias"] * 3),
        ("leaf *.bias", [f"before AccumulateGrad {m}.bias" for m in ("head", "enc.0")] * 3),
        ("leaf net.head.bias", ["before AccumulateGrad head.bias"] * 3),
        ("mod net.head and op linear", ["after linear"] * 3),
        ("mod net.enc and node *Addmm*", ["before AddmmBackward0 enc.0"] * 3),
        ("name loss", ["before MeanBackward0 loss"] * 3),
        ("shape (4, 3) and op linear", ["after linear"] * 3),
        ("op relu or op square", ["after relu", "after square"] * 3),
        ("op relu, i == 1", ["after relu"]),
        ("node ReluBackward0, i > 0", ["before ReluBackward0 enc.1"] * 2),
        ("mod head and op linear", ["after linear"] * 3),
        ("mod enc and node *Addmm*", ["before AddmmBackward0 enc.0"] * 3),
        ("op nosuch", []),
        ("nan", []),
        ("inf", []),
        ("none", []),
        ("norm > 1e9", []),
    ],
)
def test_kinds(d, train, text, expected):
    assert [where(stop) for stop in hits(d, train, text)] == expected


@pytest.mark.parametrize("text", ["leaf fc.bias", "leaf one.fc.bias"])
def test_a_model_may_be_named_or_not_where_there_are_two(d, script, text):
    path = script("""\
        import torch
        from torch import nn
        one, two = (nn.Sequential() for _ in range(2))
        one.add_module("fc", nn.Linear(2, 1))
        two.add_module("out", nn.Linear(1, 1))
        two(one(torch.ones(1, 2))).sum().backward()
    """)
    assert [where(stop) for stop in hits(d, path, text)] == ["before AccumulateGrad one.fc.bias"]


def test_line_stops_once_for_each_coming_to_it(d, script):
    path = script("""\
        import torch
        x = torch.ones(2)
        for i in range(2):
            y = (x + 1) * 2 - (x + 3)
            z = y.sum()
    """)
    stops = hits(d, path, "4", "5")
    assert [stop.site.line for stop in stops] == [4, 5, 4, 5]
    assert stops[0].reason.endswith(": train.py:4")


def test_each_part_of_an_or_is_asked_at_its_own_side(d, train):
    stops = hits(d, train, "node ReluBackward0 or nan")
    assert [where(stop) for stop in stops] == ["before ReluBackward0 enc.1"] * 3


def test_lines_without_an_op(d, script):
    path = script("""\
        import torch
        torch.ones(1)
        total = 0
        for i in range(3):
            total += i
        name = "done"
    """)
    stops = hits(d, path, "5, i == 2", "6")
    assert [where(stop) for stop in stops] == ["line 5 of <module>", "line 6 of <module>"]
    assert d.value("total") == "3"


def test_until_a_line_that_has_no_op(d, script):
    path = script("import torch\ntorch.ones(1)\nx = 1\ny = 2\ntorch.ones(2)\n")
    d.load(path)
    stop = d.go(c.UntilCondition(parse("train.py:4")))
    assert (where(stop), d.value("x, 'y' in globals()")) == ("line 4 of <module>", "(1, False)")
    assert d.step().op.name == "ones"


def test_a_trace_function_of_the_users_stays(d, script):
    path = script("""\
        import sys, torch
        seen = []
        def tracer(frame, event, argument):
            seen.append(frame.f_code.co_name)
        def f():
            return torch.ones(1)
        torch.ones(1)
        sys.settrace(tracer)
        f()
        sys.settrace(None)
    """)
    d.load(path)
    d.break_at("nosuch_function")
    d.cont()
    assert "'f'" in d.value("seen")
    assert d.prompt.state == "idle"


def test_line_in_another_file(d, script):
    script("def double(v):\n    return v * 2\n", "helper_of_lines.py")
    path = script("""\
        import torch
        from helper_of_lines import double
        y = double(torch.ones(2))
    """)
    (stop,) = hits(d, path, "helper_of_lines.py:2")
    assert where(stop) == "line 2 of double"
    assert stop.site.file.endswith("helper_of_lines.py")


@pytest.mark.parametrize(
    ("text", "message"),
    [("1000", "no line 1000"), ("4", "blank"), ("train.py:1000", "no line 1000")],
)
def test_lines_that_cannot_be_stopped_at(d, train, text, message):
    d.load(train)
    error = d.break_at(text)
    assert isinstance(error, model.Error)
    assert message in error.message


def test_module_includes_all_below(d, train):
    stops = hits(d, train, "mod enc", limit=13)
    assert [where(stop) for stop in stops][:8] == [
        "after linear", "after relu",
        "before ReluBackward0 enc.1", "before AddmmBackward0 enc.0",
        "before AccumulateGrad enc.0.bias", "before TBackward0 enc.0",
        "before AccumulateGrad enc.0.weight", "after linear",
    ]  # fmt: skip


def test_name_of_a_variable(d, script):
    path = script("""\
        import torch
        a = torch.ones(2, requires_grad=True)
        b = a * 2
        c = b + 1
        c.sum().backward()
    """)
    assert [where(stop) for stop in hits(d, path, "name b")] == [
        "after add", "before MulBackward0 b",
    ]  # fmt: skip


def test_shape(d, train):
    assert [where(stop) for stop in hits(d, train, "shape (4, -1), i == 0")][:6] == [
        "after ones", "after linear", "after relu", "after linear", "after mul", "after square",
    ]  # fmt: skip


def test_norm_of_a_gradient(d, script):
    path = script("""\
        import torch
        a = torch.tensor([3.0, 4.0], requires_grad=True)
        b = a * 10
        (b * 2).sum().backward()
    """)
    stops = hits(d, path, "norm > 20")
    assert [where(stop) for stop in stops] == ["before AccumulateGrad a"]
    assert stops[0].node.grad_in[0].stats.norm > 20
    d.look(protocol.ChangeBreakpoint(id=0, action="clear"))
    assert [where(stop) for stop in hits(d, path, "norm < 1.5")] == [
        "before SumBackward0", "before MulBackward0",
    ]  # fmt: skip


def test_norm_of_an_output(d, script):
    path = script("""\
        import torch
        for scale in (1.0, 100.0):
            y = torch.ones(4) * scale
    """)
    (stop,) = hits(d, path, "op mul and norm > 50")
    assert (where(stop), stop.op.outputs[0].stats.norm) == ("after mul", 200.0)


def test_nan_is_met_where_it_is_born(d, script):
    path = script("""\
        import torch
        a = torch.zeros(2, requires_grad=True)
        b = a / a
        c = b + 1
        c.sum()
    """)
    assert [where(stop) for stop in hits(d, path, "nan")] == ["after div"]


def test_nan_of_a_backward(d, script):
    path = script("""\
        import torch
        a = torch.zeros(2, requires_grad=True)
        b = a.sqrt() * 0
        b.sum().backward()
    """)
    (stop,) = hits(d, path, "nan")
    assert (stop.when, stop.node.name) == ("after", "SqrtBackward0")
    assert stop.node.grad_out[0].stats.nans == 2


def test_inf(d, script):
    path = script("""\
        import torch
        a = torch.tensor([1.0, 0.0])
        b = 1 / a
        c = b * 2
        d = torch.full((2,), float("inf"))
    """)
    assert [stop.site.line for stop in hits(d, path, "inf")] == [3, 5]


def test_nan_in_an_integer_tensor_is_no_question(d, script):
    path = script("import torch\nx = torch.arange(4)\ny = x + 1\nz = x > 2\n")
    assert hits(d, path, "nan", "inf") == []


def test_none_stops_at_the_end_of_the_backward(d, script):
    path = script("""\
        import torch
        from torch import nn
        net = nn.ModuleDict({"used": nn.Linear(2, 1), "unused": nn.Linear(2, 1)})
        net["used"](torch.ones(1, 2)).sum().backward()
        after = torch.ones(1)
    """)
    (stop,) = hits(d, path, "none")
    assert (where(stop), stop.phase) == ("end", "backward")
    assert stop.notes == ("no gradient for unused.weight, unused.bias: no recorded op used it",)


# -- what is said and counted ------------------------------------------------------------------


def test_reason_names_the_breakpoint(d, train):
    (first, *_) = hits(d, train, "op relu")
    assert first.reason.startswith("breakpoint ")
    assert first.reason.endswith(": op relu")
    assert len(first.breakpoints) == 1


def test_two_breakpoints_at_one_place(d, train):
    first = hits(d, train, "op relu", "mod enc.1 and op relu")[0]
    assert len(first.breakpoints) == 2


def test_hits_are_counted(d, train):
    hits(d, train, "op relu", "op nosuch")
    assert [row[1:] for row in info(d)] == [("op relu", True, 3), ("op nosuch", True, 0)]


def test_temporary(d, train):
    d.load(train)
    condition = parse("op relu")
    d.look(protocol.SetBreakpoint(condition=condition, text="op relu", temporary=True))
    d.cont()
    assert (where(d.stops()[-1]), info(d)) == ("after relu", [])
    d.cont()
    assert d.prompt.state == "idle"


def test_ignore(d, train):
    d.load(train)
    number = d.break_at("op relu").id
    d.look(protocol.ChangeBreakpoint(id=number, action="ignore", count=2))
    d.cont()
    assert d.value("i") == "2"
    assert info(d)[0][3] == 3


def test_disable_and_enable(d, train):
    d.load(train)
    number = d.break_at("op relu").id
    assert d.look(protocol.ChangeBreakpoint(id=number, action="disable")).enabled is False
    other = d.break_at("op square").id
    d.cont()
    assert d.stops()[-1].breakpoints == (other,)
    d.look(protocol.ChangeBreakpoint(id=number, action="enable"))
    d.cont()
    assert d.stops()[-1].breakpoints == (number,)


def test_clear(d, train):
    d.load(train)
    number = d.break_at("op relu").id
    d.look(protocol.ChangeBreakpoint(id=number, action="clear"))
    d.cont()
    assert (d.prompt.state, info(d)) == ("idle", [])
    error = d.look(protocol.ChangeBreakpoint(id=number, action="clear"))
    assert error.message == f"there is no breakpoint {number}."


def test_a_condition_given_later(d, train):
    d.load(train)
    number = d.break_at("op relu").id
    changed = d.look(protocol.ChangeBreakpoint(id=number, action="condition", text="i == 2"))
    assert changed.text == "op relu, i == 2"
    d.cont()
    assert d.value("i") == "2"
    d.look(protocol.ChangeBreakpoint(id=number, action="condition"))
    assert info(d)[0][1] == "op relu"


def test_a_condition_given_later_to_a_line(d, train):
    d.load(train)
    number = d.break_at("24").id
    d.look(protocol.ChangeBreakpoint(id=number, action="condition", text="i == 2"))
    d.cont()
    assert (d.value("i"), d.stops()[-1].site.line) == ("2", 24)


def test_a_condition_that_raises_stops(d, train):
    assert len(hits(d, train, "op relu, nosuch > 3")) == 3


def test_a_condition_sees_the_function_and_the_tensors(d, train):
    assert len(hits(d, train, "op square, out.shape == (4, 1) and type(self) == 1")) == 3
    d.look(protocol.ChangeBreakpoint(id=0, action="clear"))
    assert hits(d, train, "op mul, not out.requires_grad") == []
    d.look(protocol.ChangeBreakpoint(id=0, action="clear"))
    assert hits(d, train, "node MulBackward0, grad_in[0].numel() != 4") == []


def test_a_condition_runs_no_breakpoint_of_its_own(d, train):
    assert [where(stop) for stop in hits(d, train, "op relu, torch.relu(torch.ones(1)) > 0")] == [
        "after relu",
    ] * 3  # fmt: skip


def test_commands_are_kept(d, train):
    d.load(train)
    number = d.break_at("op relu").id
    changed = d.look(protocol.ChangeBreakpoint(id=number, action="commands", commands=("p i", "c")))
    assert changed.commands == ("p i", "c")


def test_a_breakpoint_stops_what_is_typed(d):
    d.type("x = torch.ones(2, requires_grad=True)")
    d.break_at("op mul")
    d.break_at("leaf x")
    d.type("(x * 2).sum().backward()")
    assert where(d.stops()[-1]) == "after mul"
    d.cont()
    assert where(d.stops()[-1]) == "before AccumulateGrad x"


def test_breakpoints_set_before_torch_is_there():
    with debuggee(warm=False) as d:
        assert d.torch is None
        d.break_at("op mul")
        d.type("import torch")
        stop = d.type("torch.ones(2) * 3")
        assert where(stop) == "after mul"
