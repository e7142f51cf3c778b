"""What programs that know nothing of us were asked while they were debugged, and had no answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from debuggee import Debuggee

from gradrepl import model, protocol
from gradrepl.conditions import parse
from gradrepl.engine.explain import errors

BORN = {
    "F.softmax(torch.tensor([[-math.inf] * 3, [1, 2, 3.0]]), -1)": "first at [0, 0], 1 of 2 rows "
    "of its input are -inf throughout",
    "torch.tensor([1.0, -2, 3]).log()": "first at [1], 1 of 3 elements of its input are negative",
    "torch.zeros(3) / torch.tensor([1.0, 0, 0])": "first at [1], 2 of 3 elements of its input are "
    "zero, and it was divided by them",
    "1 / torch.tensor([1.0, 0])": "first at [1], 1 of 2 elements of its input are zero, and it was "
    "divided by them",
    "torch.tensor([1, 100.0]).exp()": "first at [1], its input goes up to 100, and exp of more "
    "than 88.72 is inf in float32",
    "torch.ones(1, 3).std(0)": "first at [0], it is over one element, of which the unbiased "
    "estimate is 0/0",
    "torch.zeros(0).mean()": "its input has no elements",
    "F.cross_entropy(torch.zeros(2, 3), torch.tensor([-100, -100]))": "every target is "
    "ignore_index -100: a mean of nothing",
    "INF - INF": "first at [0], 2 of 2 elements of 'INF' are infinite",
    "torch.zeros(2, requires_grad=True).sqrt().sum().backward()": "first at [0], 2 of 2 elements "
    "of its saved result are zero",
    "torch.arange(3.0).log()": "first at [0], 1 of 3 elements of its input are zero",
}
"""Programs in which a nan or an inf is born, and what is said of it."""


@pytest.mark.parametrize("source", BORN)
def test_a_nan_or_inf_is_told_where_it_is_and_what_it_came_of(d: Debuggee, source: str) -> None:
    d.type("import math; INF = torch.full((2,), math.inf)")
    d.break_at("nan or inf")
    d.type(source)
    while d.prompt.state != "idle":
        d.cont()
    said = [note.partition(": ")[2] for stop in d.stops() for note in stop.notes]
    assert BORN[source] in said


def test_a_program_that_draws_on_a_terminal_is_told_how_to_get_one(d: Debuggee) -> None:
    record = d.type("import _curses; raise _curses.error('nocbreak() returned ERR')")
    assert "gradrepl --repl" in record.hint


LOST = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        for name in "stem gate never aux table data".split():
            setattr(self, name, nn.Linear(4, 4))
    def forward(self, x):
        h = self.stem(x)
        choice = self.gate(h).softmax(-1).argmax(-1)
        out = torch.zeros_like(h)
        out[choice == 1] = self.table(h[choice == 1])
        std = (0.5 * self.data(h).data).exp()
        return h + out * std, self.aux(h).squeeze(-1)
net = Net()
logged = net.gate.weight.detach().clone()
for i in range(2):
    y, aux = net(torch.randn(5, 4))
    y.sum().backward()
    for p in net.parameters(): p.grad = None
"""


@pytest.fixture
def lost(d: Debuggee) -> Debuggee:
    """Stand at the end of a backward that did not come to several parameters."""
    d.break_at("none")
    d.type(LOST)
    return d


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gate.weight", "what was made of it was cut off by argmax (:8), which makes int64."),
        ("data.bias", "what was made of it was cut off by data (:11)."),
        ("never.weight", "no recorded op used it."),
        ("aux.weight", "no recorded op used what squeeze (:12) made of it."),
    ],
)  # fmt: skip
def test_what_became_of_a_parameter_without_a_gradient_is_told(
    lost: Debuggee, name: str, why: str
) -> None:
    said = lost.look(protocol.Describe(expression=f"net.{name}")).grad_why
    assert re.sub("<typed [0-9]+>", "", said.partition("lead to it: ")[2]) == why
    assert lost.value(f"net.{name}.grad") == "None"
    assert lost.value("net.table.weight.grad is None") == "False"  # written into 'out' in place
    lost.cont()


def test_a_stop_for_missing_gradients_says_why_of_each(lost: Debuggee) -> None:
    stop = lost.stops()[-1]
    assert isinstance(stop, model.Stop)
    assert [note.partition(" (")[0] for note in stop.notes] == [
        "no gradient for gate.weight, gate.bias: what was made of it was cut off by argmax",
        "no gradient for never.weight, never.bias: no recorded op used it",
        "no gradient for aux.weight, aux.bias: no recorded op used what squeeze",
        "no gradient for data.weight, data.bias: what was made of it was cut off by data",
    ]
    lost.cont()
    assert lost.stops()[-1].notes[1:2] == stop.notes[1:2]  # the second time round, too
    lost.cont()


OVERWRITTEN = """\
import torch

layer = torch.nn.Linear(3, 3)

def actor(x):
    probs = torch.softmax(layer(x), -1)
    probs += 0.01
    return probs

x = torch.ones(2, 3)
KEPT = actor(x)
KEPT.sum().backward()
"""


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("recorded", [True, False])
def test_an_exception_of_a_script_comes_with_what_is_known_of_it(
    script: Callable[..., Path], d: Debuggee, kept: bool, recorded: bool
) -> None:
    gone = OVERWRITTEN.replace("KEPT = actor(x)\n", "").replace("KEPT", "actor(x)")
    if recorded:
        d.break_at("nan")
    d.load(script(OVERWRITTEN if kept else gone))
    stop = d.cont()[-1]
    assert stop.phase == "exception"
    (note,) = stop.notes
    assert ("SoftmaxBackward0" in note) is kept
    assert ("add_ (train.py:7)" in note) is recorded
    assert (errors.UNRECORDED in note) is not recorded
    d.cont()


SHADOWED = """\
import copy

def evaluate(model):
    return model(torch.ones(1, 2)).tanh()

def main():
    model = nn.Linear(2, 2)
    ema = copy.deepcopy(model)
    decayed = [p for p in model.parameters()]
    evaluate(ema)
    model(torch.ones(1, 2)).sum().backward()

main()
"""


def test_a_callers_variable_of_the_same_name_is_another_module(d: Debuggee) -> None:
    d.break_at("op tanh")
    d.type(SHADOWED)
    found = d.look(protocol.ModuleRows())
    assert found.strays == ()
    assert set(found.roots) == {"model", "model~2"}
    d.look(protocol.ChangeBreakpoint(id=0, action="clear"))
    d.break_at("node AddmmBackward*")
    d.cont()
    assert set(d.look(protocol.ModuleRows()).roots) == {"model", "ema"}
    d.cont()


def test_terms_are_named_as_the_user_named_them(d: Debuggee) -> None:
    d.type("w = torch.ones(2, requires_grad=True); actor = (w * 2).mean() - w.exp().mean()")
    d.type("critic = w.square().mean(); total = actor + 0.5 * critic")
    found = d.look(protocol.TermsOf(root="total"))
    assert {term.name: term.weight for term in found.terms} == {"actor": 1, "critic": 0.5}
    assert found.agrees
    found = d.look(protocol.TermsOf(root="actor"))
    assert sorted(term.weight for term in found.terms) == [-1, 1]


HALF_TIED = """\
a, b, c = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)
b.weight.data = a.weight.data
c.weight = a.weight
net = nn.ModuleList([a, b, c])
"""


def test_parameters_that_only_share_memory_are_found(d: Debuggee) -> None:
    d.type(HALF_TIED)
    found = d.look(protocol.AskFindings()).rows
    assert [each.message.partition(",")[0] for each in found] == [
        "0.weight and 1.weight lie in the same memory"
    ]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("actor", []),
        ("train.py:7", []),
        ("nann", ["no function 'nann' is in the files loaded so far. Did you mean 'b nan'?"]),
        ("zzz", ["no function 'zzz' is in the files loaded so far."]),
        ("nope.py:3", ["no file 'nope.py' is here or loaded so far."]),
    ],
)
def test_a_breakpoint_at_what_is_nowhere_is_doubted(
    script: Callable[..., Path], d: Debuggee, place: str, said: list[str]
) -> None:
    d.load(script(OVERWRITTEN))
    number = d.send(protocol.SetBreakpoint(condition=parse(place), text=place))
    heard = []
    while not isinstance(message := d.link.receive(), protocol.Answer):
        heard.append(message.record.message)
    assert (message.id, heard) == (number, said)
    d.look(protocol.ChangeBreakpoint(id=0, action="clear"))
    d.cont()
    d.cont()


RAISES = (
    "import torch\nx = torch.ones(2, requires_grad=True)\ny = x.exp()\ny += 1\ny.sum().backward()\n"
)


def test_beside_an_exception_there_is_a_problem(d: Debuggee, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text(RAISES.replace("y.sum()", "y.sum(); y.sum()"))
    d.load(path)
    d.cont()
    (finding,) = (f for f in d.look(protocol.AskFindings()).rows if f.rule == "exception")
    assert finding.message.startswith("RuntimeError: one of the variables needed")
    assert [(each.role, each.site.line) for each in finding.sites] == [("raised", 5)]
    assert "overwritten" in finding.fix
    d.cont()
    assert not [f for f in d.look(protocol.AskFindings()).rows if f.rule == "exception"]


LOGGED = """\
import torch
m = torch.nn.ParameterDict({"a": torch.ones(2), "b": torch.ones(2)})
kept = m.b.detach().clone()
size = m.b.norm().item()
loss = (m.a * FACTOR).sum()
loss.backward()
"""


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        ("2", "nothing that was made of it leads to the loss"),
        ("size", "what was made of it was cut off by item (train.py:4)"),
        ("kept", "what was made of it was cut off by detach (train.py:3)"),
    ],
)
def test_a_cut_counts_only_if_it_leads_to_the_loss(
    d: Debuggee, tmp_path: Path, factor: str, said: str
) -> None:
    path = tmp_path / "train.py"
    path.write_text(LOGGED.replace("FACTOR", factor))
    d.load(path)
    d.break_at("none")
    d.cont()
    assert d.stops()[-1].notes == (f"no gradient for b: {said}",)
