"""What a program looks on at itself, while a face steps it."""

from __future__ import annotations

from gradrepl import model, protocol

SCRIPT = """\
import torch
from torch import nn
import gradrepl

net = nn.Linear(2, 1)
with gradrepl.trace() as t, gradrepl.watch(net, stop="verdict nan") as w:
    for turn in range(3):
        x = torch.full((1, 2), float("nan") if turn == 1 else 1.0)
        net(x).sum().backward()
print([op.name for op in t.ops], len(t.passes), w.health().backwards)
"""


def test_a_script_that_is_stepped_may_watch_and_trace_itself(d, script):
    d.load(script(SCRIPT))
    (verdicts, stop) = d.cont()
    assert isinstance(verdicts, model.Verdicts)
    assert stop.reason.partition(": ")[2].startswith("verdict nan: weight NaN @2")
    assert d.value("turn, len(t.passes), w.health().backwards, w.rows[0].name") == (
        "(1, 2, 2, 'weight')"
    )
    health = d.look(protocol.AskHealth())
    assert [(row.name, row.label) for row in health.rows] == [("weight", "NaN @2"), ("bias", "ok")]
    assert health.watching.grads
    d.cont()
    names = "['full', 'linear', 'sum', 'full', 'linear', 'sum', 'full', 'linear', 'sum']"
    assert d.value("[op.name for op in t.ops]") == names
    assert d.value("len(t.passes), w.health().backwards, w.health().problems") == "(3, 3, 1)"


def test_stepping_through_a_trace_leaves_it_whole(d, script):
    d.load(script(SCRIPT))
    d.step_through()
    assert d.value("len(t.ops), len(t.passes)") == "(9, 3)"


def test_typed_code_may_be_traced_and_nothing_stays(d):
    d.type("import gradrepl\nx = torch.ones(1, requires_grad=True)")
    d.type("with gradrepl.trace() as t:\n    (x.sin() + 1).backward()")
    assert d.value("[op.name for op in t.ops], len(t.passes)") == "(['sin', 'add'], 1)"
    d.type("w = gradrepl.watch(net := nn.Linear(1, 1))\nnet(x).backward()\nw.close()")
    assert d.value("[(row.name, row.verdict) for row in w.rows]") == (
        "[('weight', 'ok'), ('bias', 'ok')]"
    )
    assert d.value("torch.autograd._engine_run_backward.__code__.co_filename[-8:]") == "'graph.py'"
