"""Gradients watched in a real debuggee: what is told of them is what torch says."""

from __future__ import annotations

import math
import textwrap

import pytest

from gradrepl import conditions as c
from gradrepl import model, protocol

SETUP = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(50, 8)
        self.enc = nn.Linear(8, 16)
        self.head = nn.Linear(16, 4)
        self.tied = self.head
        self.unused = nn.Linear(3, 3)
        self.frozen = nn.Linear(16, 16).requires_grad_(False)

    def forward(self, x):
        return self.tied(torch.relu(self.frozen(self.enc(self.emb(x)))))

net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
seen = []

def step(i, times=1.0, keep=True):
    x, y = torch.arange(8) + i, torch.arange(8) % 4
    opt.zero_grad()
    loss = F.cross_entropy(net(x), y) * times
    loss.backward()
    if keep:
        seen.append({name: p.grad.norm().item() for name, p in net.named_parameters()
                     if p.grad is not None})
    before = [p.detach().clone() for p in net.parameters()]
    opt.step()
    return loss.item(), [
        ((p - b).norm() / b.norm()).item() for p, b in zip(net.parameters(), before)]
"""


def watch(d, **what):
    found = d.look(protocol.WatchHealth(**{"grads": True, **what}))
    assert isinstance(found, model.Watching), found
    return found


def limit(d, name, value):
    found = d.look(protocol.SetHealth(name=name, value=value))
    assert isinstance(found, model.HealthLimits), found


def health(d, name="", **more):
    found = d.look(protocol.AskHealth(name=name, **more))
    assert isinstance(found, model.Health), found
    return found


def rows(d):
    return {row.name: row for row in health(d).rows}


@pytest.fixture
def d(d):
    """Return a debuggee that watches nothing, with the usual limits, before and after."""

    def quiet():
        d.look(protocol.WatchHealth(off=True))
        for name in model.HealthLimits.__struct_fields__:
            d.look(protocol.SetHealth(name=name))

    quiet()
    yield d
    quiet()


def test_the_table_says_what_torch_says(d):
    d.type(SETUP)
    limit(d, "figures", 1)
    watch(d)
    d.type("told = [step(i) for i in range(3)]")
    found = health(d)
    by_name = {row.name: row for row in found.rows}
    assert set(by_name) == set(eval(d.value("list(dict(net.named_parameters()))", full=True)))
    for name, row in by_name.items():
        if row.verdict in ("no grad", "frozen"):
            assert row.norm is None
            assert row.history == (None, None, None)
            continue
        norms = eval(d.value(f"[s['{name}'] for s in seen]"))
        assert row.history == pytest.approx(norms, rel=1e-5)
        assert row.norm == pytest.approx(norms[-1], rel=1e-5)
        wanted = "(p.grad.min().item(), p.grad.max().item(), int((p.grad == 0).sum()))"
        low, high, zeros = eval(d.value(f"(lambda p: {wanted})(net.get_parameter('{name}'))"))
        assert (row.min, row.max, row.zeros) == pytest.approx((low, high, zeros))
        place = eval(d.value(f"[n for n, _ in net.named_parameters()].index('{name}')"))
        updates = eval(d.value(f"[t[1][{place}] for t in told]"))
        assert row.update == pytest.approx(updates[1], rel=1e-3), "between the last two looks"
        assert (row.update_of, row.update_steps) == (row.numel, 1)
        assert row.ratio == pytest.approx(row.norm / row.weight_norm)
        assert (row.optimizer, row.lr) == ("SGD", 0.1)
    assert by_name["head.weight"].also == ("tied.weight",)
    assert [p.loss for p in found.points] == pytest.approx(eval(d.value("[t[0] for t in told]")))
    totals = eval(d.value("[sum(v * v for v in s.values()) ** 0.5 for s in seen]"))
    assert [p.total for p in found.points] == pytest.approx(totals, rel=1e-5)
    assert (found.backwards, found.steps) == (3, 3)
    depth = {name: row.depth for name, row in by_name.items()}
    assert depth["head.bias"] < depth["head.weight"] < depth["enc.weight"] < depth["emb.weight"]
    assert {name: row.verdict for name, row in by_name.items() if row.verdict != "ok"} == {
        "unused.weight": "no grad", "unused.bias": "no grad",
        "frozen.weight": "frozen", "frozen.bias": "frozen",
    }  # fmt: skip


def test_verdicts_come_and_are_told(d):
    d.type(SETUP)
    watch(d)
    d.type("for i in range(3): step(i)")
    d.type("step(3, 1e12)")
    assert rows(d)["head.weight"].verdict == "exploding"
    assert "health.exploding 1000" in rows(d)["head.weight"].why
    d.type("step(4, float('nan'))")
    row = rows(d)["head.weight"]
    assert (row.verdict, row.label, row.since, row.nans) == ("nan", "NaN @5", 5, 64)
    told = [record for record in d.told if isinstance(record, model.Verdicts)]
    assert {change.name for change in told[0].changes} == {"unused.weight", "unused.bias"}
    assert [change.backward for change in told[0].changes] == [3, 3]
    assert {change.why for change in told[0].changes} == {"its gradient is None after 2 SGD steps."}


def test_vanishing_dead_and_unchanged(d):
    d.type(SETUP)
    limit(d, "figures", 1)
    limit(d, "patience", 4)
    d.type("opt.param_groups[0]['params'].pop(1)")  # enc.weight
    watch(d)
    d.type("for i in range(5): step(i)")
    found = rows(d)
    assert found["enc.weight"].verdict == "unchanged"
    assert found["enc.weight"].update == 0
    assert found["emb.weight"].zeros == 42 * 8
    assert found["emb.weight"].verdict == "ok", "rows that were not looked up are no dead units"
    d.type("step(5, 1e-9)")
    assert rows(d)["head.weight"].verdict == "vanishing"
    d.type("net.enc.bias.register_hook(lambda g: g * (torch.arange(16) < 4)) and None")
    d.type("for i in range(6, 9): step(i)")
    assert rows(d)["enc.bias"].verdict == "ok", "it may be what these looks had to say"
    d.type("for i in range(9, 11): step(i)")
    assert rows(d)["enc.bias"].label == "dead 75%"
    assert "75% of its units had zeros only at the last looks" in rows(d)["enc.bias"].why
    limit(d, "dead", 1.0)
    d.type("step(11)")
    assert rows(d)["enc.bias"].verdict == "ok"


def test_every_other_backward(d):
    d.type(SETUP)
    watch(d, every=2)
    d.type("for i in range(5): step(i)")
    found = health(d)
    assert [point.backward for point in found.points] == [2, 4]
    assert found.backwards == 5


def test_a_loop_without_an_optimizer_of_torchs(d):
    d.type("w = torch.ones(3, requires_grad=True)")
    limit(d, "figures", 1)
    watch(d)
    d.type("""
for i in range(3):
    w.grad = None
    (w * w).sum().backward()
    w.data -= 0.25 * w.grad
""")
    row = rows(d)["w"]
    assert (row.verdict, row.update, row.update_steps) == ("ok", 0.5, 0)


def test_an_optimizers_parameters_that_have_no_name(d):
    d.type("""
deep = {"a": [[torch.ones(2, requires_grad=True)]]}
def run():
    def inner():
        opt = torch.optim.SGD([t for ts in deep["a"] for t in ts], lr=0.1)
        def train():
            for _ in range(2):
                (opt.param_groups[0]["params"][0] ** 2).sum().backward()
                opt.step()
        return train
    inner()()
""")
    watch(d)
    d.type("run()")
    assert set(rows(d)) == {"SGD[0][0]"}


GAN = """
gen, critic = nn.Linear(2, 2), nn.Linear(2, 1)
og, oc = (torch.optim.SGD(m.parameters(), lr=0.1) for m in (gen, critic))
def critics():
    oc.zero_grad(); critic(gen(torch.ones(1, 2)).detach()).sum().backward(); oc.step()
def gens():
    og.zero_grad(); critic(gen(torch.ones(1, 2))).sum().backward(); og.step()
"""


def test_a_backward_that_is_not_about_a_model_says_nothing_of_it(d):
    d.type(GAN)
    watch(d)
    d.type("critics()")
    assert rows(d)["gen.weight"].verdict == "unseen"
    assert health(d).points[-1].models == "critic"
    d.type("gens()\ncritics()")
    assert rows(d)["gen.weight"].verdict == "ok"
    assert rows(d)["gen.weight"].reached_at == 2
    assert [p is not None for p in rows(d)["gen.weight"].history] == [False, True, False]


def test_who_an_optimizer_steps_without_a_gradient_has_none(d):
    d.type(GAN + "both = torch.optim.SGD([*gen.parameters(), *critic.parameters()], lr=0.1)")
    watch(d)
    step = "critic(gen(torch.ones(1, 2)).detach()).sum().backward()\nboth.step()\n"
    d.type(step * 2)
    assert rows(d)["gen.weight"].verdict == "unseen"
    d.type(step)
    assert rows(d)["gen.weight"].verdict == "no grad"


def test_a_gradscalers_scale_is_taken_out(d):
    d.type(
        SETUP
        + """
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20, growth_interval=1000)
def scaled(i, times=1.0):
    opt.zero_grad()
    loss = F.cross_entropy(net(torch.arange(8) + i), torch.arange(8) % 4)
    scaler.scale(loss * times).backward()
    scaler.step(opt); scaler.update()
    return loss.item()
"""
    )
    watch(d)
    loss = float(d.type("scaled(0)").text)
    found = health(d)
    row = rows(d)["head.weight"]
    assert (found.scale, row.verdict) == (2.0**20, "ok")
    assert found.points[-1].loss == pytest.approx(loss)
    assert row.norm == pytest.approx(float(d.value("net.head.weight.grad.norm().item()")), rel=1e-4)
    d.type("scaled(1, 1e38)")
    assert rows(d)["head.weight"].verdict == "overflow"
    d.type("scaled(2)")
    found = health(d)
    assert (found.scale, found.skipped) == (2.0**19, 1)
    assert rows(d)["head.weight"].verdict == "ok"


# -- nodes ---------------------------------------------------------------------------------------

NODES = """
def walked(root):
    nodes = [root.grad_fn]
    for node in nodes:
        nodes += [n for n, _ in node.next_functions if n is not None and n not in nodes]
    return nodes
def backward_seen(root, **more):
    seen = []
    def see(node):
        def hook(grads):
            first = next((g for g in grads if g is not None), None)
            seen.append((type(node).__name__, None if first is None else
                         (first.norm().item(), first.min().item(), first.max().item())))
        return node.register_prehook(hook)
    handles = [see(node) for node in walked(root)]
    root.backward(**more)
    for handle in handles: handle.remove()
    return seen
torch.manual_seed(1)
x = torch.randn(16, 8)
"""


def node_rows(d, **more):
    found = d.look(protocol.AskHealthNodes(count=1000, **more))
    assert isinstance(found, model.HealthNodes), found
    return found


@pytest.mark.parametrize("more", ["", "retain_graph=True", "create_graph=True"])
@pytest.mark.parametrize(
    "root",
    [
        "nn.Sequential(nn.Linear(8, 300), nn.Tanh(), nn.Linear(300, 4))(x).square().mean()",
        "nn.MultiheadAttention(8, 2)(x[None], x[None], x[None])[0].sum()",
        "nn.LSTM(8, 8)(x[None])[0].sum()",
        "sum(p.sum() for p in nn.Linear(8, 9)(x).split(4, 1))",
        "(nn.Linear(512, 64, dtype=torch.float64)(torch.ones(512, 512).double()).t().reshape(-1)"
        " @ torch.ones(64 * 512).double())",
    ],
)
def test_every_node_is_seen_as_a_hook_of_the_users_sees_it(d, root, more):
    d.type(NODES)
    watch(d, nodes=True, statistics=True)
    d.type(f"root = {root}\nfound = backward_seen(root{', ' + more if more else ''})")
    wanted = eval(d.value("found", full=True))
    seen = [(r.name, None if r.norm is None else (r.norm, r.min, r.max)) for r in node_rows(d).rows]
    assert [name for name, _ in seen] == [name for name, _ in wanted]
    for (name, ours), (_, theirs) in zip(seen, wanted, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-12), name


def test_the_first_node_that_is_not_finite(d):
    d.type("w = torch.ones(2, requires_grad=True)")
    watch(d, nodes=True)
    d.type("((w - 1).sqrt() * 2).sum().backward()")
    found = node_rows(d)
    assert found.bad.name == "SubBackward0"
    assert (found.bad.infs, found.bad.nans, found.bad.verdict) == (2, 0, "inf")
    assert node_rows(d, problems=True).rows[0].name == "SubBackward0"
    assert found.rows[-1].label == "w"


def test_a_backward_inside_a_backward_is_a_part_of_it(d):
    d.type("""
from torch.utils.checkpoint import checkpoint
lin = nn.Linear(4, 4)
def run():
    x = torch.ones(2, 4, requires_grad=True)
    checkpoint(lin, x, use_reentrant=True).sum().backward()
""")
    watch(d, nodes=True)
    d.type("run()")
    assert health(d).backwards == 1
    assert rows(d)["weight"].verdict == "ok"


# -- nothing is left -----------------------------------------------------------------------------

PLACES = """
def places():
    from torch.optim import optimizer as o
    from torch.utils.data import dataloader
    return (
        torch._C._len_torch_function_stack(),
        torch.autograd._engine_run_backward.__code__.co_filename[-8:],
        len(o._global_optimizer_pre_hooks), len(o._global_optimizer_post_hooks),
        dataloader._BaseDataLoaderIter.__next__.__code__.co_filename.endswith("dataloader.py"),
        torch.amp.GradScaler.scale.__code__.co_filename.endswith("grad_scaler.py"),
    )
"""
CLEAN = (0, "graph.py", 0, 0, True, True)


def test_watching_installs_little_and_leaves_nothing(d, script):
    path = script(
        "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
        + SETUP + PLACES + "first = torch.ones(1)\n"
        "for i in range(3): step(i)\nduring = places()\n"
        "hooks = [len(p._post_accumulate_grad_hooks or ()) + len(p._backward_hooks or ())"
        " for p in net.parameters()]\nlast = torch.ones(1)\nprint(last)\n"
    )  # fmt: skip
    d.load(path)
    watch(d)
    d.until(f"{path.name}:{len(path.read_text().splitlines())}")
    assert eval(d.value("during"))[:4] == (0, "ootstrap", 1, 1), "as patches.unseen has it"
    assert set(eval(d.value("hooks"))) == {0}
    d.look(protocol.WatchHealth(off=True))
    d.cont()
    assert eval(d.value("places()")) == CLEAN
    assert health(d).backwards == 3, "what was seen can still be looked at"


def test_nothing_of_the_users_is_kept_alive(d):
    d.type(SETUP + "import weakref, gc")
    limit(d, "figures", 1)
    watch(d, nodes=True, statistics=True)
    d.type("""
step(0)
refs = [weakref.ref(p) for p in net.parameters()]
refs += [weakref.ref(p.grad) for p in net.parameters() if p.grad is not None]
""")
    d.type("del net, opt, Net, step\n_ = None\ngc.collect() and None")
    assert d.value("len(refs), sum(r() is None for r in refs)") == "(14, 14)"
    assert health(d).rows == ()


def test_a_graph_that_is_kept_does_not_pile_up_hooks(d):
    d.type("w = torch.ones(3, requires_grad=True)\nroot = (w * 2).sum()")
    watch(d, nodes=True)
    d.type("""
import gc, tracemalloc
def passes(n):
    for _ in range(n): root.backward(retain_graph=True)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
tracemalloc.start()
before = passes(300)
grown = passes(1200) - before
tracemalloc.stop()
""")
    assert int(d.value("grown")) < 30 * 1200, "less than a hook for each backward"


# -- breakpoints ---------------------------------------------------------------------------------


def test_a_breakpoint_on_a_verdict_stops_at_the_end_of_the_backward(d):
    d.type(SETUP)
    assert isinstance(d.break_at("verdict nan"), model.BreakpointInfo)
    d.type("for i in range(6): step(i, float('nan') if i == 3 else 1.0)")
    (stop,) = d.stops()
    assert stop.phase == "backward"
    assert ": verdict nan: " in stop.reason
    assert "head.weight NaN @4" in stop.reason
    assert d.value("i") == "3"
    assert stop.site.text == "loss.backward()"
    assert d.value("bool(net.head.weight.grad.isnan().all())") == "True"
    d.cont()
    assert d.prompt.state == "idle", "it is NaN from then on: no other stop"
    assert health(d).watching == model.Watching(breakpoints=True)
    d.look(protocol.ChangeBreakpoint(id=0, action="clear"))
    assert (
        eval(d.value("torch.autograd._engine_run_backward.__code__.co_filename[-8:]")) == CLEAN[1]
    )


@pytest.mark.parametrize(
    ("text", "stops"),
    [("verdict no grad", 1), ("verdict bad", 1), ("verdict dead", 0), ("none and verdict none", 1)],
)
def test_which_verdicts_stop(d, text, stops):
    d.type(SETUP)
    d.break_at(text)
    d.type("for i in range(3): step(i)")
    while d.prompt.state != "idle":
        d.cont()
    assert len(d.stops()) == stops


def test_stepping_and_watching_at_once(d):
    d.type(SETUP)
    watch(d, nodes=True)
    d.type("step(0)", stepped=True)
    d.go(c.FirstNode())
    d.type("net.emb(torch.arange(3)).sum().backward()")  # typed at a stop: not looked at
    for _ in range(3):
        d.step()
    d.cont()
    assert health(d).backwards == 1
    assert node_rows(d).total > 10
    assert math.isfinite(rows(d)["head.weight"].norm)


# -- what is asked wrongly -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (protocol.SetHealth(name="dead", value=2.0), "health.dead cannot be 2"),
        (protocol.SetHealth(name="patience", value=0.5), "health.patience cannot be 0.5"),
        (protocol.SetHealth(name="nix", value=2.0), "no limit 'health.nix'"),
        (protocol.WatchHealth(grads=True, every=0), "every 0 makes no sense"),
    ],
)
def test_refusals(d, request_, said):
    found = d.look(request_)
    assert isinstance(found, model.Error)
    assert said in found.message


def test_who_is_not_watched(d):
    d.type(SETUP)
    watch(d)
    d.type("step(0)")
    assert d.look(protocol.AskHealth(name="nix")).message == (
        "no watched parameter is called 'nix'."
    )
    assert [row.name for row in health(d, "head.*").rows] == ["head.weight", "head.bias"]
    assert [row.name for row in health(d, "tied.bias").rows] == ["head.bias"]
    assert len(health(d, first=1, count=2).rows) == 2
    found = d.look(protocol.AskHealthNodes())
    assert isinstance(found, model.Error)


def test_a_bias_in_front_of_a_norm_is_no_problem(d):
    d.type(
        "net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(),"
        " nn.Linear(108, 4), nn.LayerNorm(4))\n"
        "def step():\n    torch.manual_seed(0)\n    net.zero_grad()\n"
        "    net(torch.randn(5, 2, 8, 8)).square().mean().backward()"
    )
    limit(d, "vanishing", 0.5)
    watch(d)
    d.type("step()")
    found = rows(d)
    assert float(d.value("net[0].bias.grad.norm().item()")) < 1e-6
    assert (found["0.bias"].verdict, found["0.bias"].label) == ("ok", "no effect")
    assert "what arrives adds up to zero, as before a norm" in found["0.bias"].why
    assert found["4.bias"].verdict == "vanishing", "a LayerNorm takes out a mean only"
    d.type("_ = net[1].eval(); net.zero_grad()")
    d.type("net(torch.randn(5, 2, 8, 8)).square().mean().mul(1e-9).backward()")
    assert rows(d)["0.bias"].verdict == "vanishing"


# -- what is no fault, and the fault that looks like it --------------------------------------------


def train(d, steps, *, forward, optimizer="torch.optim.SGD(net.parameters(), lr=0.1)", more=""):
    """Train what is typed; ``forward`` is the line that gives the loss."""
    limit(d, "figures", 1)
    watch(d)
    body = textwrap.indent(f"opt.zero_grad()\n{forward}\n{more}opt.step()", "    ")
    d.type(f"torch.manual_seed(0)\nopt = {optimizer}\nfor i in range({steps}):\n{body}")
    return rows(d)


def test_a_norm_that_underflows_is_not_zero(d):
    d.type("w = torch.ones(4, requires_grad=True); v = torch.ones(4, requires_grad=True)")
    watch(d, nodes=True)
    d.type("for i in range(4):\n    (w * 1e-26).sum().backward()\n    (v * 0).sum().backward()")
    found = rows(d)
    assert found["w"].verdict == "vanishing"
    assert found["w"].norm == pytest.approx(8e-26)
    assert found["v"].label == "zero", "nobody has taken a step: it may not stay so"
    d.type("for i in range(10): (v * 0).sum().backward(); (w * 1e-26).sum().backward()")
    assert rows(d)["v"].label == "dead 100%"
    assert {row.verdict for row in node_rows(d).rows} == {"vanishing", "ok"}


GATED = """
class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.gate = nn.Linear(4, 4), nn.Parameter(torch.zeros(()))
    def forward(self, x):
        return x + self.gate * self.inner(x)
net = Gated()
"""


def test_a_gate_that_begins_at_zero_is_not_dead_and_one_that_stays_there_is(d):
    loss = "(net(torch.randn(8, 4)) - 1).square().mean().backward()"
    d.type(GATED)
    found = train(d, 5, forward=loss)
    assert {row.verdict for row in found.values()} == {"ok"}
    told = [change for record in d.told if isinstance(record, model.Verdicts)
            for change in record.changes]  # fmt: skip
    assert told == []
    d.type(GATED)
    found = train(d, 8, forward=loss, more="net.gate.grad.zero_()\n")
    assert found["inner.weight"].label == "dead 100%"
    assert found["inner.weight"].why.startswith("all of its 16 elements are exactly zero, as at")


def test_inputs_that_are_one_hot_make_no_dead_weight_and_dead_units_do(d):
    d.type("net = nn.Sequential(nn.Linear(100, 8), nn.ReLU(), nn.Linear(8, 2))")
    loss = "net(F.one_hot(torch.arange(3) + i % 2, 100).float()).square().mean().backward()"
    found = train(d, 15, forward=loss)
    assert found["0.weight"].zeros > 600
    assert {row.verdict for row in found.values()} == {"ok"}
    d.type("with torch.no_grad(): net[0].bias[:6], net[0].bias[6:] = -100, 1")
    found = train(d, 15, forward=loss)
    assert found["0.weight"].label == found["0.bias"].label == "dead 75%"


@pytest.mark.parametrize("norm", ["BatchNorm2d(6)", "GroupNorm(6, 6)", "InstanceNorm2d(6)"])
def test_a_bias_before_a_norm_anywhere_is_no_problem(d, norm):
    d.type(f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(1, 6, 3, padding=1), nn.{norm}, nn.Linear(6 * 16, 3)
    def forward(self, x):
        return self.fc(F.max_pool2d(F.relu(self.bn(self.conv(x))), 2).flatten(1))
net = Net()
""")
    found = train(d, 12, forward="F.cross_entropy(net(torch.randn(24, 1, 8, 8)),"
                                 " torch.randint(0, 3, (24,))).backward()")  # fmt: skip
    assert {row.verdict for row in found.values()} == {"ok"}


def test_the_key_bias_of_an_attention_is_no_problem_and_one_that_vanishes_is(d):
    d.type("""
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
    def forward(self, x):
        return F.scaled_dot_product_attention(self.q(x), self.k(x), self.v(x))
net = Attention()
""")
    loss = "(net(torch.randn(4, 5, 8)) - 1).square().mean()"
    found = train(d, 12, forward=f"{loss}.backward()")
    assert {row.verdict for row in found.values()} == {"ok"}
    assert found["k.bias"].norm < 1e-7
    found = train(d, 2, forward=f"({loss} * 1e-9).backward()")
    assert found["q.bias"].verdict == found["v.bias"].verdict == "vanishing"


def test_between_two_backwards_of_one_step_nobody_is_without_a_gradient(d):
    d.type(
        "net = nn.ModuleDict({'a': nn.Linear(2, 1), 'b': nn.Linear(2, 1), 'c': nn.Linear(2, 1)})"
    )
    x = "torch.ones(1, 2)"
    both = f"for _ in range(12): net['a']({x}).sum().backward()\nnet['b']({x}).sum().backward()"
    assert rows_while(d, both) == {"a": "ok", "b": "ok", "c": "no grad"}
    told = {change.name for record in d.told if isinstance(record, model.Verdicts)
            for change in record.changes}  # fmt: skip
    assert told == {"c.weight", "c.bias"}


def rows_while(d, forward):
    found = train(d, 4, forward=forward)
    return {name.partition(".")[0]: row.verdict for name, row in found.items()}


def test_who_is_asked_of_autograd_grad_needs_no_gradient(d):
    d.type("net = nn.Linear(2, 1); x = torch.ones(3, 2, requires_grad=True)\n"
           "alone = torch.ones(2, requires_grad=True)")  # fmt: skip
    found = train(d, 12, forward="torch.autograd.grad(net(x).sum(), x)\n"
                                 "net(x.detach()).square().mean().backward()")  # fmt: skip
    assert {name: row.verdict for name, row in found.items()} == {
        "x": "unseen", "alone": "no grad", "weight": "ok", "bias": "ok",
    }  # fmt: skip


def test_a_parameter_that_was_replaced_does_not_change(d):
    d.type("net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))\n"
           "opt = torch.optim.SGD(net.parameters(), 0.1)\n"
           "net[2].weight = nn.Parameter(torch.randn(1, 8))")  # fmt: skip
    loss = "(net(torch.randn(16, 4)) - 1).square().mean().backward()"
    found = train(d, 6, forward=loss, optimizer="opt")
    assert {n: row.verdict for n, row in found.items() if row.verdict not in ("ok", "no grad")} == {
        "2.weight": "unchanged"
    }
    assert "no optimizer that has stepped has it" in found["2.weight"].why
    found = train(d, 6, forward=loss)
    assert found["2.weight"].verdict == "ok"
