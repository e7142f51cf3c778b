"""``gradrepl.trace()``: what ran, forward and backward, as torch itself would tell it."""

from __future__ import annotations

import bdb
import gc
import io
import subprocess
import sys
import threading
import weakref

import pytest
import torch
from fake_kernel import Kernel
from rich.console import Console
from test_watch import checked
from torch import nn
from torch.utils.checkpoint import checkpoint

import gradrepl
from gradrepl.engine.graph import tracing
from gradrepl.errors import StateError

pytestmark = pytest.mark.usefixtures("nothing_stays")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.enc(x))


def ops(t):
    return [(op.name, op.module, op.inputs, op.outputs) for op in t.ops]


def test_ops_have_line_module_and_shapes():
    model = Net()
    with gradrepl.trace() as t:
        y = model(torch.ones(2, 3))
        y.mul_(2)
    assert ops(t) == [
        ("ones", "", (), ((2, 3),)),
        ("linear", "enc.0", ((2, 3), (4, 3), (4,)), ((2, 4),)),
        ("relu", "enc.1", ((2, 4),), ((2, 4),)),
        ("linear", "head", ((2, 4), (2, 4), (2,)), ((2, 2),)),
        ("mul_", "", ((2, 2),), ((2, 2),)),
    ]
    first = test_ops_have_line_module_and_shapes.__code__.co_firstlineno
    assert [op.site.line - first for op in t.ops if not op.module] == [3, 4]
    assert [op.site.function for op in t.ops] == [
        "test_ops_have_line_module_and_shapes", "forward", "forward", "forward",
        "test_ops_have_line_module_and_shapes",
    ]  # fmt: skip
    assert [op.changed for op in t.ops] == [(), (), (), (), ("input 0: v0 -> v1",)]
    assert {op.dtype for op in t.ops} == {"float32"}
    assert t.passes == []
    assert t.graph is None


def hooked(root):
    """Return a list that fills with what the engine runs, told by prehooks of the test's."""
    found, todo = [], [root.grad_fn]
    for node in todo:
        todo += [each for each, _ in node.next_functions if each is not None and each not in todo]
    for node in todo:

        def arrived(grads, node=node):
            grad = next(each for each in grads if each is not None)
            found.append((node.name().rpartition("::")[2], tuple(grad.shape), grad.norm().item()))

        node.register_prehook(arrived)
    return found


def test_a_pass_has_its_nodes_in_the_engines_order_with_their_norms():
    model = Net()
    with gradrepl.trace() as t:
        loss = model(torch.randn(5, 3)).square().mean()
        real = hooked(loss)
        loss.backward()
    (found,) = t.passes
    assert [(node.name, node.shape, node.norm) for node in found.visits] == real
    assert [node.id for node in found.nodes] == list(range(1, len(real) + 1))
    leaves = {node.label: node.norm for node in found.nodes if node.leaf}
    assert leaves == {
        name: torch.linalg.vector_norm(each.grad).item() for name, each in model.named_parameters()
    }
    made = {op.id: (op.name, op.module) for op in t.ops}
    assert made[found.nodes[0].op] == ("mean", "")
    assert {made[n.op] for n in found.nodes if n.name == "AddmmBackward0"} == {
        ("linear", "head"), ("linear", "enc.0"),
    }  # fmt: skip
    assert (found.how, found.root, found.outcome) == ("backward", "loss", "finished")
    assert t.graph.nodes == len(real)
    assert t.graph.edges == sum(len(node.to) for node in found.nodes)
    assert t.graph.rows[0].lanes == "○"


def test_edges_lead_where_the_graph_leads():
    a = torch.tensor(2.0, requires_grad=True)
    with gradrepl.trace() as t:
        b = a * 3
        (b + b.exp()).backward()
    names = {node.id: node.name for node in t.passes[0].nodes}
    assert [(node.name, [names[to] for to in node.to]) for node in t.passes[0].nodes] == [
        ("AddBackward0", ["MulBackward0", "ExpBackward0"]),
        ("ExpBackward0", ["MulBackward0"]),
        ("MulBackward0", ["AccumulateGrad"]),
        ("AccumulateGrad", []),
    ]


def test_only_the_nodes_that_are_needed_ran():
    a, b = (torch.tensor(2.0, requires_grad=True) for _ in "ab")
    with gradrepl.trace() as t:
        (found,) = torch.autograd.grad(a.exp() * b.sin(), a)
    (each,) = t.passes
    ran = {node.name: node.ran for node in each.nodes if not node.leaf}
    assert ran == {"MulBackward0": True, "ExpBackward0": True, "SinBackward0": False}
    assert (each.how, found) == ("grad", a.detach().exp() * b.detach().sin())


def test_every_backward_is_there_with_the_one_it_ran_inside_of():
    a = torch.tensor(2.0, requires_grad=True)
    with gradrepl.trace() as t:
        (slope,) = torch.autograd.grad(a**3, a, create_graph=True)
        slope.backward(retain_graph=True)
        slope.backward()
        checkpoint(torch.sin, a, use_reentrant=True).backward()
    assert [(each.number, each.how, each.inside) for each in t.passes] == [
        (1, "grad", 0), (2, "backward", 0), (3, "backward", 0), (4, "backward", 0),
        (5, "backward", 4),
    ]  # fmt: skip
    assert [node.name for node in t.passes[1].visits] == [node.name for node in t.passes[2].visits]
    assert [op.mode for op in t.ops if op.name == "sin"] == ["no_grad", "recomputation"]


def test_modes_are_told_and_kept():
    model = Net()
    with gradrepl.trace() as t:
        with torch.no_grad():
            model(torch.ones(1, 3))
        with torch.inference_mode():
            found = model(torch.ones(1, 3))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = model(torch.ones(1, 3))
    assert [op.mode for op in t.ops if op.module == "head"] == [
        "no_grad", "inference_mode", "autocast",
    ]  # fmt: skip
    assert (found.is_inference(), half.dtype) == (True, torch.bfloat16)
    with torch.inference_mode(), gradrepl.trace() as inside:
        model(torch.ones(1, 3))
    assert len(inside.ops) == 4


def test_an_exception_passes_and_what_ran_before_it_is_there():
    error = ValueError("mine")

    def fails(x):
        x.exp()
        raise error

    t = gradrepl.trace()
    with pytest.raises(ValueError, match="mine") as caught, t:
        fails(torch.ones(2))
    assert caught.value is error
    assert [op.name for op in t.ops] == ["ones", "exp"]
    assert repr(t).endswith("ended by ValueError: mine>")


def test_a_backward_that_raises_is_told_with_what_had_run():
    a = torch.ones(2, requires_grad=True)
    b = a.exp()
    c = b * b
    with torch.no_grad():
        b.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace") as bare:
        c.sum().backward()
    with gradrepl.trace() as t, pytest.raises(RuntimeError) as traced:
        c.sum().backward()
    assert str(traced.value) == str(bare.value)
    assert [node.name for node in t.passes[0].visits] == ["SumBackward0", "MulBackward0"]
    assert t.passes[0].outcome.startswith("raised RuntimeError: one of the variables")


def test_the_value_of_a_traced_function_is_there():
    t = gradrepl.trace(torch.add, torch.ones(2), 1, alpha=2)
    assert (t.result.tolist(), [op.name for op in t.ops]) == ([3.0, 3.0], ["add"])


def test_traces_may_be_nested():
    with gradrepl.trace() as outer:
        x = torch.ones(2, requires_grad=True)
        with gradrepl.trace() as inner:
            x.exp().sum().backward()
        x.sin()
    assert [op.name for op in inner.ops] == ["exp", "sum"]
    assert [op.name for op in outer.ops] == ["ones", "exp", "sum", "sin"]
    assert outer.passes == inner.passes or len(outer.passes) == len(inner.passes) == 1


def test_one_trace_records_once():
    with gradrepl.trace() as t:
        pass
    with pytest.raises(StateError, match="has begun already"), t:
        pass


def in_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_thread_may_be_traced():
    made = []

    def work():
        with gradrepl.trace() as t:
            x = torch.ones(2, requires_grad=True)
            x.exp().sum().backward()
        made.append(t)

    in_a_thread(work)
    (t,) = made
    assert [op.name for op in t.ops] == ["ones", "exp", "sum"]
    assert [node.op for node in t.passes[0].visits] == [3, 2, None]
    assert [op.name for op in gradrepl.trace(torch.ones, 1).ops] == ["ones"]


def test_of_two_threads_one_has_its_ops_and_both_their_passes():
    made = []

    def work():
        with gradrepl.trace() as t:
            torch.ones(2, requires_grad=True).exp().sum().backward()
        made.append(t)

    with gradrepl.trace() as t:
        in_a_thread(work)
        torch.ones(3)
    (other,) = made
    assert ([op.name for op in t.ops], t.passes) == (["ones"], [])
    assert (other.ops, len(other.passes)) == ([], 1)
    assert "no ops: another thread's forward is being recorded" in repr(other)


def test_it_keeps_no_tensor_alive():
    model = Net()
    with gradrepl.trace() as t:
        loss = model(torch.ones(2, 3)).sum()
        loss.backward()
    held = [weakref.ref(loss), weakref.ref(model.head.weight)]
    del model, loss
    gc.collect()
    assert [each() for each in held] == [None, None]
    assert len(t.ops) == 5


def test_it_is_bounded_and_says_what_was_dropped(monkeypatch):
    monkeypatch.setattr(tracing, "OPS", 3)
    monkeypatch.setattr(tracing, "PASSES", 2)
    monkeypatch.setattr(tracing, "NODES", 4)
    with gradrepl.trace() as t:
        for _ in range(4):
            x = torch.ones(1, requires_grad=True)
            x.sin().cos().exp().sum().backward()
    assert (len(t.ops), len(t.passes), t.dropped) == (3, 2, {"ops": 17, "passes": 2})
    assert [len(each.nodes) for each in t.passes] == [4, 4]
    assert all(each.cut for each in t.passes)
    assert repr(t) == (
        "<gradrepl.trace: 3 ops in 0 modules, 2 passes over 8 nodes, 17 ops more not kept,"
        " 2 passes more not kept, graphs with more nodes than are kept>"
    )


def test_it_shows_itself():
    model = Net()
    model.add_module("[b]<i>", nn.Linear(2, 1))
    with gradrepl.trace() as t:
        loss = model.get_submodule("[b]<i>")(model(torch.ones(2, 3))).mean()
        loss.backward()
    html = checked(t._repr_html_())
    assert "<summary><b>enc</b> " in html
    assert "<b>[b]&lt;i&gt;</b>" in html
    assert html.count("<details") == 7  # the forward, enc and its two, head, the last, the pass
    assert "loss.backward() at test_trace.py" in html
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(t)
    text = console.export_text()
    assert "trace: 6 ops in 4 modules, 1 pass over" in text
    assert "[b]<i>" in text
    assert "graph of loss: " in text
    assert repr(t).startswith("<gradrepl.trace: 6 ops in 4 modules, 1 pass over ")


def test_an_empty_trace_shows_itself():
    assert repr(gradrepl.trace()) == "<gradrepl.trace: 0 ops in 0 modules, 0 passes over 0 nodes>"
    checked(gradrepl.trace()._repr_html_())


EARLY = """
import sys, gradrepl
with gradrepl.trace() as t:
    assert "torch" not in sys.modules
    import torch
    torch.ones(1, requires_grad=True).exp().backward()
print([op.name for op in t.ops], len(t.passes), torch._C._len_torch_function_stack())
"""


def test_torch_may_come_later(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", EARLY], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("['ones', 'exp'] 1 0\n", "")


def test_a_stop_inside_of_it_is_no_part_of_it(monkeypatch, capsys):
    kernel = Kernel(monkeypatch)
    kernel.will("torch.zeros(3).cos().sum().item()", "b op exp", "c", "cl", "c")
    with gradrepl.trace() as t:
        x = torch.ones(1, requires_grad=True)
        gradrepl.set_trace()
        x.sin().exp().backward()
        x.cos()
    assert kernel.lines == []
    assert [op.name for op in t.ops] == ["ones", "sin", "exp", "cos"]
    assert [node.op for node in t.passes[0].visits] == [3, 2, None]
    assert "exp" in capsys.readouterr().out


def test_q_inside_of_it_ends_it(monkeypatch):
    Kernel(monkeypatch).will("q")
    t = gradrepl.trace()

    def stopped():
        with t:
            torch.ones(1)
            gradrepl.set_trace()

    with pytest.raises(bdb.BdbQuit):
        stopped()
    assert [op.name for op in t.ops] == ["ones"]
    assert "ended by BdbQuit" in repr(t)


def test_a_trace_and_a_watch_share_a_training():
    model = Net()
    with gradrepl.watch(model) as w, gradrepl.trace() as t:
        model(torch.ones(2, 3)).sum().backward()
    norms = {node.label: node.norm for node in t.passes[0].nodes if node.leaf}
    assert norms == {row.name: row.norm for row in w.rows}
