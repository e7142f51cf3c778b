"""The tree of modules, compared with what torch says of the same modules."""

from __future__ import annotations

import ast
import random
from typing import Any

import pytest
from debuggee import Debuggee

from gradrepl import model, protocol

NET = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(10, 4)
        self.enc = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Dropout(0.1))
        self.layers = [nn.Linear(4, 4)]
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.emb.weight
        self.register_buffer("mask", torch.ones(3), persistent=False)
        self.scale = torch.ones(1, requires_grad=True)
        self.unused = nn.Linear(2, 2)
    def forward(self, x):
        h = self.enc(self.emb(x)).relu()
        for layer in self.layers: h = layer(h)
        return self.head(h) * self.scale
net = Net()
"""


def tree(d: Debuggee, expression: str = "", **more: Any) -> model.Modules:
    found = d.look(protocol.ModuleRows(expression=expression, **more))
    assert isinstance(found, model.Modules), found
    return found


def by_path(found: model.Modules) -> dict[str, model.ModuleRow]:
    return {row.path: row for row in found.rows}


def value(d: Debuggee, expression: str) -> Any:
    return ast.literal_eval(d.value(expression, full=True))


def agrees_with_torch(d: Debuggee, name: str, prefix: str = "") -> model.Modules:
    """Compare every row with what torch says of ``name``; return the answer."""
    found = tree(d, name, count=10_000)
    rows = [row for row in found.rows if not row.same_as]
    wanted = value(
        d,
        f"[(p, type(m).__name__, m.training, sum(1 for _ in m.children())) "
        f"for p, m in {name}.named_modules()]",
    )
    top = rows[0].path
    assert [(row.path, row.kind, row.training, row.children) for row in rows] == [
        (prefix + path if path else top, kind, training, children)
        for path, kind, training, children in wanted
    ]
    assert found.parameters == value(d, f"sum(p.numel() for p in {name}.parameters())")
    assert found.tensors == value(d, f"len(list({name}.parameters()))")
    counted = f"sum(p.numel() for p in {name}.parameters() if p.requires_grad)"
    assert found.trainable == value(d, counted)
    listed = [each for row in rows for each in row.parameters]
    assert sorted(
        (each.path, each.shape, each.requires_grad) for each in listed if not each.buffer
    ) == sorted(
        (prefix + path, tuple(shape), needs)
        for path, shape, needs in value(
            d,
            f"[(p, tuple(t.shape), t.requires_grad) for m in [{name}] "
            "for p, t in m.named_parameters(remove_duplicate=False)]",
        )
        if any(each.path == prefix + path for each in listed)
    )
    assert {each.path for each in listed if each.buffer} == {
        prefix + path for path in value(d, f"[p for p, _ in {name}.named_buffers()]")
    }
    assert sum(row.own for row in rows) == found.parameters
    return found


def test_the_tree_is_torchs(d: Debuggee) -> None:
    d.type(NET)
    rows = by_path(agrees_with_torch(d, "net"))
    assert list(rows) == [
        "Net", "emb", "enc", "enc.0", "enc.1", "enc.2", "enc.3", "head", "unused",
    ]  # fmt: skip
    assert rows["enc.0"].about == "in_features=4, out_features=4, bias=True"
    assert [(each.name, each.persistent) for each in rows["Net"].parameters] == [("mask", False)]
    assert tree(d).rows == tree(d, "net").rows
    assert [row.path for row in tree(d, "net.enc").rows] == [
        "enc",
        "enc.0",
        "enc.1",
        "enc.2",
        "enc.3",
    ]


def test_tied_weights_are_counted_once_and_named_twice(d: Debuggee) -> None:
    d.type(NET)
    rows = by_path(tree(d))
    (emb,), (head,) = rows["emb"].parameters, rows["head"].parameters
    assert (emb.first, emb.tied, rows["emb"].own) == (True, ("head.weight",), 40)
    assert (head.first, head.tied, rows["head"].own) == (False, ("emb.weight",), 0)
    d.type("shared = nn.Linear(2, 2); twice = nn.Sequential(shared, nn.ReLU(), shared); del shared")
    found = tree(d, "twice")
    assert [(row.name, row.same_as) for row in found.rows][1:] == [
        ("0", ""), ("1", ""), ("2", "twice.0"),
    ]  # fmt: skip
    assert (found.parameters, found.tensors) == (6, 2)


def test_gradients_modes_and_hooks(d: Debuggee) -> None:
    d.type(NET)
    d.type("net.enc[0].weight.requires_grad_(False); net.enc[2].eval()")
    d.type("net(torch.arange(5)).sum().backward(); net.enc[2].bias.grad.zero_()")
    d.type("net.enc[2].weight.grad[0] = float('nan'); h = lambda *a: None")
    d.type("net.enc[1].register_forward_hook(h); net.head.register_full_backward_hook(h)")
    d.type("net.register_forward_pre_hook(h); net.emb.register_state_dict_pre_hook(h)")
    rows = by_path(tree(d))
    grads = {each.path: each.grad for row in rows.values() for each in row.parameters}
    assert grads == {
        "mask": "", "emb.weight": "ok", "enc.0.weight": "", "enc.0.bias": "ok",
        "enc.2.weight": "nan", "enc.2.bias": "zero", "enc.2.running_mean": "",
        "enc.2.running_var": "", "enc.2.num_batches_tracked": "", "head.weight": "ok",
        "unused.weight": "none", "unused.bias": "none",
    }  # fmt: skip
    assert (rows["enc"].grad, rows["Net"].grad, rows["unused"].grad) == ("nan", "nan", "none")
    norms = {each.path: each.norm for row in rows.values() for each in row.parameters}
    assert norms["emb.weight"] == pytest.approx(value(d, "net.emb.weight.grad.norm().item()"))
    assert not rows["enc.2"].training
    kinds = {
        path: [(h.kind, h.owner) for h in row.hooks] for path, row in rows.items() if row.hooks
    }
    assert kinds == {
        "Net": [("forward pre-hook", "<lambda>")], "enc.1": [("forward hook", "<lambda>")],
        "head": [("full backward hook", "<lambda>")],
        "emb": [("state_dict pre-hook", "<lambda>")],
    }  # fmt: skip


def test_what_no_optimizer_and_no_module_has(d: Debuggee) -> None:
    d.type(NET)
    assert tree(d).optimizers == ()
    d.type(
        "lost = nn.Parameter(torch.ones(2)); w = torch.ones(3, requires_grad=True); ws = [w * 1, w]"
    )
    d.type("opts = {'a': torch.optim.SGD([*net.emb.parameters(), *net.enc.parameters(), lost, w])}")
    d.type("del lost")
    found = tree(d)
    assert found.optimizers == ("opts['a']",)
    assert found.missed == ("unused.weight", "unused.bias")
    assert found.unknown == 1
    assert [(each.name, each.why, each.optimized) for each in found.strays] == [
        ("layers[0].weight", "in a plain list of Net", "no"),
        ("layers[0].bias", "in a plain list of Net", "no"),
        ("scale", "in a plain attribute of Net", "no"),
    ]  # fmt: skip


def test_what_has_run_in_this_step(d: Debuggee) -> None:
    d.type(NET)
    assert not tree(d).recorded
    ran = lambda: {row.path for row in tree(d).rows if row.ran == "ran"}  # noqa: E731
    d.type("x = net.emb(torch.arange(5))")
    assert ran() == {"Net", "emb"}
    d.type("loss = net.head(net.enc(x)).sum()")
    assert ran() == {"Net", "emb", "enc", "enc.0", "enc.1", "enc.2", "enc.3", "head"}
    d.type("loss.backward()")
    assert "enc.1" in ran()
    d.type("y = net.unused(torch.ones(1, 2))")
    assert ran() == {"Net", "unused"}
    assert {row.ran for row in tree(d).rows} == {"ran", "no op yet"}


def test_windows_and_depths(d: Debuggee) -> None:
    d.type(NET)
    whole = tree(d)
    parts = [tree(d, first=first, count=2) for first in range(0, 9, 2)]
    assert [row for part in parts for row in part.rows] == list(whole.rows)
    assert {part.total for part in parts} == {9}
    folded = tree(d, depth=1)
    assert [(row.path, row.hidden) for row in folded.rows] == [
        ("Net", 0), ("emb", 0), ("enc", 4), ("head", 0), ("unused", 0),
    ]  # fmt: skip
    assert [row.total for row in folded.rows] == [
        row.total for row in whole.rows if row.depth < 2
    ]  # fmt: skip
    assert tree(d, depth=0).rows[0].hidden == 8
    assert tree(d, first=500, count=3).rows == whole.rows[-1:]


def test_warnings_that_are_errors_are_for_the_users_code(d):
    d.type("import warnings; warnings.simplefilter('error'); m = nn.Linear(2, 1)")
    d.type("y = m(torch.ones(1, 2)).sum()")
    for request in (
        protocol.ModuleRows(), protocol.GraphRows(expression="y"),
        protocol.FunctionOf(target="y"), protocol.Describe(expression="y"),
        protocol.AskStorages(), protocol.PathsTo(root="y", leaf="m.bias"), protocol.AskBytes(),
        protocol.TermsOf(root="y"), protocol.RuleOf(what="y"), protocol.AskVersions(expression="y"),
    ):  # fmt: skip
        found = d.look(request)
        assert not isinstance(found, model.Error), found


def test_bad_questions(d: Debuggee) -> None:
    found = d.look(protocol.ModuleRows())
    assert (found.message, found.kind) == ("No modules in the current scope.", "StateError")
    found = d.look(protocol.ModuleRows(expression="3"))
    assert found.message == "'3' is a int, not a module."
    d.type("lazy = nn.LazyLinear(3); half = nn.Linear(2, 2); half.bias = None")
    rows = by_path(tree(d))
    assert [each.count for each in rows["lazy"].parameters] == [0, 0]
    assert [each.name for each in rows["half"].parameters] == ["weight"]


def test_a_module_that_is_not_made_yet(d: Debuggee) -> None:
    d.type("class Bad(nn.Module):\n    def __init__(self): self.fc = nn.Linear(1, 1)")
    d.type("bad = nn.Module.__new__(nn.Module); net = nn.Linear(1, 1); w = torch.ones(1)")
    assert [row.kind for row in tree(d).rows] == ["Linear"]
    found = d.look(protocol.ModuleRows(expression="bad"))
    assert found.message == "'bad' is a Module that is not made yet."
    assert d.look(protocol.Describe(expression="w")).names == ("w",)


def grown(depth: int) -> str:
    """Return the source of a random module."""
    kinds = ["nn.Linear(3, 3)", "nn.BatchNorm1d(3)", "nn.ReLU()", "nn.LayerNorm(3)"]
    if depth == 0 or random.random() < 0.3:
        return random.choice(kinds)
    inner = ", ".join(grown(depth - 1) for _ in range(random.randrange(1, 4)))
    return f"nn.Sequential({inner})"


@pytest.mark.parametrize("seed", range(12))
def test_random_trees(d: Debuggee, seed: int) -> None:
    random.seed(seed)
    d.type(f"m = nn.Sequential({grown(3)}, {grown(3)}, {grown(2)})")
    d.type(f"import random; random.seed({seed})")
    d.type("ps = list(m.parameters()); ms = list(m.modules())")
    d.type("for p in ps: p.requires_grad_(random.random() < 0.7)")
    d.type("for q in ms: q.train(random.random() < 0.7)")
    d.type("if ps: ms[-1].extra = ps[0]")
    d.type("del ps, ms, p" if "Linear" in d.value("m") or "Norm" in d.value("m") else "del ps, ms")
    d.type("if 'q' in globals(): del q")
    title = tree(d, "m").rows[0].path
    agrees_with_torch(d, "m", "" if title == "Sequential" else "m.")


def test_nothing_changes(d: Debuggee) -> None:
    d.type(NET)
    d.type("opt = torch.optim.SGD(net.parameters(), lr=0.1); net(torch.arange(5)).sum().backward()")
    state = (
        "([p._version for p in net.parameters()], [id(p.grad) for p in net.parameters()], "
        "[p.grad is None or p.grad._version for p in net.parameters()], sorted(vars(net)), "
        "torch.random.get_rng_state().sum().item(), torch.autograd._get_sequence_nr(), "
        "torch._C._len_torch_function_stack(), torch.is_grad_enabled())"
    )
    before = d.value(state, full=True)
    for question in ("", "net", "net.enc"):
        tree(d, question)
    assert d.value(state, full=True) == before
    d.type("import weakref, gc; r = weakref.ref(net.enc); net.enc = None; _ = None; gc.collect()")
    assert d.value("r()") == "None"


def accused(d: Debuggee) -> tuple[list[str], list[str]]:
    """Return what is said to be in no optimizer, and in no module."""
    found = tree(d)
    return list(found.missed), [each.name for each in found.strays]


ALONE = """
net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
"""
RIGHT = {
    "an input whose gradient is asked for": "x = torch.ones(2, requires_grad=True)",
    "an image that an optimizer has": """
image = nn.Parameter(torch.ones(2))
opt = torch.optim.SGD([*net.parameters(), image], lr=0.1)""",
    "a target network": "import copy; target = copy.deepcopy(net)",
    "a target network beside it in one module": """
import copy
agent = nn.ModuleDict({"online": nn.Linear(2, 1), "target": nn.Linear(2, 1)})
opt = torch.optim.SGD([*net.parameters(), *agent["online"].parameters()], lr=0.1)
agent["online"](torch.ones(1, 2)).sum().backward()""",
    "a learner that is thrown away": """
import copy
learner = copy.deepcopy(net)
learner(torch.ones(1, 2)).sum().backward()""",
    "fast weights": "fast = {n: p.detach().requires_grad_() for n, p in net.named_parameters()}",
    "a module that keeps its input": "net.seen = x = torch.ones(2, requires_grad=True)",
}
WRONG = {
    "a part that was forgotten": (
        "opt = torch.optim.SGD(net[0].parameters(), lr=0.1)", ["1.weight", "1.bias"], []),
    "a model that was made anew": (
        "net = nn.Linear(2, 1)", ["weight", "bias"], []),
    "a twin that gets a gradient": (
        "net[1] = nn.Linear(2, 3)\n"
        "net[1](torch.ones(1, 2)).sum().backward()", ["1.weight", "1.bias"], []),
    "a parameter that is only a variable": ("scale = nn.Parameter(torch.ones(2))", [], ["scale"]),
    "a tensor that is only an attribute": (
        "net.scale = torch.ones(2, requires_grad=True)", [], ["scale"]),
}  # fmt: skip


@pytest.mark.parametrize("program", RIGHT.values(), ids=RIGHT)
def test_who_is_right_is_not_accused(d: Debuggee, program: str) -> None:
    d.type(ALONE + program)
    assert accused(d) == ([], [])


@pytest.mark.parametrize(("program", "missed", "lost"), WRONG.values(), ids=WRONG)
def test_who_is_lost_is_named(
    d: Debuggee, program: str, missed: list[str], lost: list[str]
) -> None:
    d.type(ALONE + program)
    assert accused(d) == (missed, lost)


def test_inside_of_a_transform_nobody_is_accused(d: Debuggee) -> None:
    d.type(
        ALONE + "from torch.func import functional_call, grad\n"
        "params = {n: p.detach() for n, p in net.named_parameters()}\n"
        "loss = lambda q, x: functional_call(net, q, (x,)).tanh().sum()"
    )
    d.break_at("op tanh")
    d.type("grad(loss)(params, torch.ones(1, 2))")
    assert accused(d) == ([], [])
    d.look(protocol.ChangeBreakpoint(id=0, action="clear"))
    d.cont()


SHARDED = """
import os
import torch.distributed as dist
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
mesh = init_device_mesh("cpu", (1,))
net = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
for layer in (net[0], net[2]):
    fully_shard(layer, mesh=mesh)
fully_shard(net, mesh=mesh)
opt = torch.optim.SGD(net.parameters(), 0.1)
"""


def test_shards_belong_to_the_parameters_that_they_are_parts_of(d: Debuggee) -> None:
    d.type(SHARDED)
    d.break_at("op linear")
    d.type("net(torch.randn(2, 4)).sum().backward(); opt.step()")
    found = tree(d)
    assert (found.missed, found.unknown, found.strays) == ((), 0, ())
    d.look(protocol.ChangeBreakpoint(id=0, action="clear"))
    d.cont()
    d.type("dist.destroy_process_group()")
