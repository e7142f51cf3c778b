"""What trainings do to their gradients beside a backward: clipping, scaling, schedules."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from test_health import d, health, limit, rows, watch  # noqa: F401  (a fixture)

from gradrepl import model, protocol
from gradrepl.draw.health import clip
from gradrepl.engine import debuggee

CLIPPED = """
from torch.nn.utils import clip_grad_norm_ as before
import torch.nn.utils as u
from torch.nn.utils.clip_grad import clip_grad_value_ as value_before
def train(steps, clip, foreach=None, seed=0):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    opt = torch.optim.AdamW(net.parameters(), lr=1e-2)
    sched = torch.optim.lr_scheduler.StepLR(opt, 5, 0.5)
    x, y = torch.randn(32, 8), torch.randint(4, (32,))
    told, over = [], 0
    for i in range(steps):
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y) * (i + 1)
        loss.backward()
        grads = [p.grad.clone() for p in net.parameters()]
        told.append(clip(net.parameters(), foreach))
        over += any(not torch.equal(a, p.grad) for a, p in zip(grads, net.parameters()))
        opt.step(); sched.step()
    return over, [None if t is None else t.item() for t in told], [
        p.detach().clone() for p in net.parameters()]
def same(a, b):
    return a[0] == b[0] and a[1] == b[1] and all(map(torch.equal, a[2], b[2]))
"""
WAYS = {
    "an alias from before": ("lambda p, f: before(p, 0.9, foreach=f)", "norm", 0.9),
    "by its module": ("lambda p, f: torch.nn.utils.clip_grad_norm_(list(p), 2, foreach=f)",
                      "norm", 2.0),
    "all by name": ("lambda p, f: u.clip_grad_norm_(parameters=p, max_norm=0.25, norm_type='inf')",
                    "norm", 0.25),
    "in two parts": ("lambda p, f: (lambda ps: u.clip_grads_with_norm_(ps, 1.0,"
                     " u.get_total_norm([p.grad for p in ps], foreach=f)))(list(p))", "norm", 1.0),
    "by value": ("lambda p, f: value_before(p, 0.1, foreach=f)", "value", 0.1),
    "by value, by name": ("lambda p, f: u.clip_grad_value_(clip_value=0.2, parameters=p)",
                          "value", 0.2),
    "one tensor": ("lambda p, f: u.clip_grad_norm_(next(p), 0.01)", "norm", 0.01),
    "never hit": ("lambda p, f: u.clip_grad_norm_(p, 1e9, foreach=f)", "norm", 1e9),
}  # fmt: skip


@pytest.mark.parametrize("foreach", ["None", "False"])
@pytest.mark.parametrize("way", WAYS)
def test_clipping_is_seen_and_left_alone(d, way, foreach):  # noqa: F811
    clip, how, at = WAYS[way]
    d.type(CLIPPED + f"alone = train(12, {clip}, {foreach})")
    watch(d)
    d.type("from torch.nn.utils import clip_grad_norm_ as after")
    d.type(f"seen = train(12, {clip}, {foreach})")
    (found,) = health(d).clipping
    assert d.value("same(alone, seen)") == "True"
    assert (found.how, found.limit, found.calls) == (how, at, 12)
    assert found.hit == int(d.value("alone[0]"))
    assert (found.hit == 0) == (way == "never hit")


def test_nothing_of_clipping_is_exchanged_when_nothing_is_watched(d):  # noqa: F811
    inside = (
        "[f.__closure__[0].cell_contents.__module__ for f in"
        " (u.clip_grad_norm_, u.clip_grads_with_norm_, u.clip_grad_value_)]"
    )
    d.type(CLIPPED)
    alone = d.value(inside)
    assert "gradrepl" not in alone
    watch(d)
    assert d.value("u.clip_grad_norm_ is before") == "True"
    code = "f.__closure__[0].cell_contents.__code__.co_filename"
    names = "(u.clip_grad_norm_, u.clip_grads_with_norm_, u.clip_grad_value_)"
    found = eval(d.value(f"['patches.py' in {code} for f in {names}]"))
    assert found == [False, True, True]
    d.look(protocol.WatchHealth(off=True))
    assert d.value(inside) == alone


def test_what_clipping_refuses_it_refuses_as_ever(d):  # noqa: F811
    d.type(CLIPPED)
    bad = (
        "u.clip_grad_value_(3, 1.0)", "u.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)",
        "u.clip_grad_value_([w])", "u.clip_grad_norm_([w], 'x')", "u.clip_grad_norm_([])",
    )  # fmt: skip
    d.type("w = torch.ones(2, requires_grad=True)\nw.grad = torch.tensor([float('nan'), 1.0])")
    alone = [d.type(line).message for line in bad]
    watch(d)
    assert [d.type(line).message for line in bad] == alone
    d.type("(w * 1).sum().backward()")
    assert all(clip.calls == clip.hit == 0 for clip in health(d).clipping)


def test_clipping_nothing_is_not_told_as_not_hit(d):  # noqa: F811
    d.type(CLIPPED + "net = nn.Linear(2, 1)")
    watch(d)
    step = "net.zero_grad(); net(torch.ones(1, 2)).sum().backward()\n"
    d.type(f"for _ in range(3):\n    parameters = net.parameters()\n    {step}"
           "    before(parameters, 9.0); list(parameters)")  # fmt: skip
    d.type(f"parameters = net.parameters()\nfor _ in range(3):\n    {step}"
           "    before(parameters, 5.0)")  # fmt: skip
    d.type(f"for _ in range(3):\n    net.zero_grad()\n    before(net.parameters(), 7.0)\n    {step}"
           "    value_before(net.parameters(), 0.5)")  # fmt: skip
    assert [clip(each) for each in health(d).clipping] == [
        "clip 9.0 not hit in 3", "clip 5.0 not hit in 1, 2 times of no gradient",
        "clip 7.0 3 times of no gradient", "clip value 0.5 hit 3 of 3",
    ]  # fmt: skip


SCALED = """
def train(steps, clip=0.0, unscale=True, fused=False, bad=()):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4))
    global opt
    opt = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=4)
    x, y = torch.randn(32, 8), torch.randint(4, (32,))
    skipped, scales = 0, []
    for i in range(steps):
        opt.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(net(x), y)
        scaler.scale(loss * (float("inf") if i in bad else 1.0)).backward()
        if clip:
            if unscale: scaler.unscale_(opt)
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        weights = [p.detach().clone() for p in net.parameters()]
        scaler.step(opt)
        skipped += all(torch.equal(a, p) for a, p in zip(weights, net.parameters()))
        scaler.update()
        scales.append(scaler.get_scale())
    return skipped, scales, [p.detach().clone() for p in net.parameters()]
"""


@pytest.mark.parametrize("fused", [False, True])
def test_steps_that_a_scaler_skips_are_counted(d, fused):  # noqa: F811
    d.type(SCALED)
    call = f"train(12, clip=0.01, fused={fused}, bad=(2, 3, 11))"
    d.type(f"alone = {call}")
    watch(d, every=2)
    d.type(f"seen = {call}")
    found = health(d)
    assert d.value("seen[:2] == alone[:2] and all(map(torch.equal, seen[2], alone[2]))") == "True"
    assert found.skipped == int(d.value("alone[0]")) == 3
    assert found.optimizers == ("AdamW lr 0.001",)
    assert not found.clipping[0].scaled


def test_clipping_what_was_not_unscaled_is_told(d):  # noqa: F811
    d.type(SCALED)
    watch(d)
    d.type("train(6, clip=1.0, unscale=False)")
    found = health(d)
    assert found.clipping[0].scaled
    assert found.clipping[0].hit == 6


def test_a_schedule_is_read_when_it_is_asked_for(d):  # noqa: F811
    d.type(CLIPPED + "keep = []\nreal = torch.optim.AdamW.__init__\n")
    watch(d)
    d.type(
        "w = torch.ones(2, requires_grad=True)\nopt = torch.optim.SGD([w], lr=1.0)\n"
        "s = torch.optim.lr_scheduler.StepLR(opt, 1, 0.5)\n"
        "for _ in range(3):\n    (w * w).sum().backward()\n    opt.step()\n    s.step()"
    )
    assert health(d).optimizers == ("SGD lr 0.125",)
    d.type("o2 = torch.optim.SGD([w], lr=torch.tensor(0.25))\n(w * w).sum().backward()\no2.step()")
    assert health(d).optimizers == ("SGD lr 0.125", "SGD lr 0.25")


# -- verdicts and where --------------------------------------------------------------------------

DEEP = """
def deep(depth, gain=1.0, act=nn.Sigmoid):
    torch.manual_seed(1)
    layers = [each for _ in range(depth) for each in (nn.Linear(16, 16), act())]
    net = nn.Sequential(*layers, nn.Linear(16, 4))
    with torch.no_grad():
        for p in net.parameters(): p.mul_(gain)
    return net
def train(net, steps, lr=0.01):
    opt = torch.optim.SGD(net.parameters(), lr=lr)
    x, y = torch.randn(32, 16), torch.randint(4, (32,))
    for _ in range(steps):
        opt.zero_grad(); F.cross_entropy(net(x), y).backward(); opt.step()
"""


def test_a_deep_sigmoid_net_vanishes_and_says_where(d):  # noqa: F811
    d.type(DEEP + "net = deep(12)")
    watch(d)
    d.type("train(net, 4)")
    assert rows(d)["0.weight"].verdict == "vanishing"
    (row,) = health(d, "0.weight").rows
    assert row.where == ("':watch nodes' would tell at which nodes.",)
    watch(d, nodes=True)
    d.type("train(net, 2)")
    (row,) = health(d, "0.weight").rows
    assert row.where[0].startswith("On its way through 29 nodes it shrinks ")
    assert row.where[1].startswith("All 12 SigmoidBackward0 on the way together: ")
    assert row.where[2].startswith("Most at #")
    assert ":13): " in row.where[2], "what was typed is recorded, so the line is known"
    assert health(d, "24.weight").rows[0].where == ()
    found = {power: count for power, count in row.spread}
    logs = eval(d.value("net[0].weight.grad.abs().log10().floor().long().unique("
                        "return_counts=True)[0].tolist()", full=True))  # fmt: skip
    assert [power for power, count in row.spread if count] == [float(log) for log in logs]
    assert sum(found.values()) == 256
    assert row.spread_at == 0
    limit(d, "figures", 1)
    d.type("train(net, 1)\nwas = net[0].weight.grad.clone()\nnet.zero_grad()")
    (row,) = health(d, "0.weight").rows
    assert row.spread_at == 7
    counted = "dict(zip(*(each.tolist() for each in found)))"
    d.type("found = was.abs().log10().floor().unique(return_counts=True)")
    assert {power: count for power, count in row.spread if count} == eval(d.value(counted))


def test_one_that_explodes_grows_and_ends_in_nan(d):  # noqa: F811
    d.type(DEEP + "net = deep(8, 6.0, nn.ReLU)")
    limit(d, "exploding", 10.0)
    watch(d, nodes=True)
    d.type("train(net, 1)")
    (row,) = health(d, "0.weight").rows
    assert row.verdict == "exploding"
    assert " it grows " in row.where[0]
    d.type("train(net, 12, lr=10.0)")
    assert rows(d)["0.weight"].verdict == "nan"
    assert any(math.isnan(point.total) for point in health(d).points)
    (row,) = health(d, "0.weight").rows
    assert row.where == (f"The loss of backward {row.reached_at} is nan: the forward made it.",)


def test_what_led_to_nan_is_not_pushed_out(d):  # noqa: F811
    d.type("w = torch.ones(2, requires_grad=True)")
    watch(d)
    d.type("for i in range(200):\n    w.grad = None\n"
           "    (w * (i + 1 if i < 50 else float('nan'))).sum().backward()")  # fmt: skip
    found = health(d)
    assert [point.backward for point in found.points] == [*range(1, 74), 200]
    (row,) = found.rows
    assert row.history[:50] == pytest.approx([2**0.5 * (i + 1) for i in range(50)])
    assert len(row.history) == 74
    d.type("w.grad = None\n(w * 3).sum().backward()")
    found = health(d)
    assert found.points[-1].backward == 201
    assert found.rows[0].history[-1] == pytest.approx(3 * 2**0.5)


def test_a_gradient_that_is_not_finite_though_the_loss_is(d):  # noqa: F811
    d.type("w = torch.ones(2, requires_grad=True)")
    watch(d)
    d.type("((w - 1).sqrt() * 2).sum().backward()")
    assert health(d, "w").rows[0].where == ("':watch nodes' would tell at which node it begins.",)
    watch(d, nodes=True)
    d.type("w.grad = None\n((w - 1).sqrt() * 2).sum().backward()")
    (row,) = health(d, "w").rows
    assert row.where == ("In backward 2 it begins with what arrives at #4 SubBackward0.",)


def test_a_norm_that_rises_is_noted_and_no_problem(d):  # noqa: F811
    d.type("w = torch.ones(3, requires_grad=True)\nv = torch.ones(3, requires_grad=True)")
    watch(d)
    d.type("for i in range(60):\n    w.grad = v.grad = None\n"
           "    (w * 1.08**i + v * (i % 3 + 1)).sum().backward()")  # fmt: skip
    found = {name: row.verdict for name, row in rows(d).items()}
    assert found == {"w": "rising", "v": "ok"}
    assert health(d).problems == 0
    assert "not below health.rising 5" in rows(d)["w"].why
    d.type("for i in range(120):\n    w.grad = None\n    w.sum().backward()")
    assert rows(d)["w"].verdict == "ok"


def test_the_picture_by_depth_has_all_and_is_bounded(d):  # noqa: F811
    d.type(DEEP + "net = deep(100)")
    watch(d)
    d.type("train(net, 2)")
    found = health(d, count=3)
    assert len(found.depths) == 120
    assert found.depths[0].name == "200.bias"
    assert found.depths[-1].name == "0.weight"
    last = float(d.value("net[0].weight.grad.norm().item()"))
    assert found.depths[-1].norm == pytest.approx(last, rel=1e-4)


# -- while it runs -------------------------------------------------------------------------------


def test_it_can_be_asked_while_the_program_runs(d):  # noqa: F811
    d.type("import threading\ngo = threading.Event()\nw = torch.ones(3, requires_grad=True)")
    watch(d)
    ask = protocol.AskHealth(running=True, count=1, looks=2)
    source = (
        "for i in range(10**9):\n    w.grad = None\n    (w * i).sum().backward()\n"
        "    if i > 10 and go.is_set(): break"
    )
    d.send(protocol.Execute(source=source))
    first = second = None
    while not (isinstance(second, model.Health) and second.backwards > 20):
        first, second = second, d.look(ask)
    assert isinstance(first, model.Health)
    assert second.backwards > first.backwards
    assert len(second.rows[0].history) == 2
    assert second.took > 0
    assert d.look(protocol.AskHealthNodes(running=True)).message.startswith("no nodes have been")
    d.send(protocol.Pause())
    d.until_prompt()
    d.look(protocol.Execute(source="go.set()"))
    d.cont()
    assert d.prompt.state == "idle"


@pytest.mark.parametrize("ask", [protocol.AskHealth, protocol.AskHealthNodes])
def test_that_nothing_is_watched_is_said_while_it_runs(ask):
    session = debuggee.begin(SimpleNamespace(send=lambda message: None))
    found = debuggee.at_once(ask(running=True), session)
    assert (found.message, found.kind) == ("no gradients have been watched.", "StateError")
    assert debuggee.at_once(ask(), session) is None  # waits for a prompt


def test_a_pause_in_the_middle_of_a_backward_meets_no_op_of_ours(d, script):  # noqa: F811
    path = script("""
        import signal, torch
        w = torch.ones(3, requires_grad=True)
        first = torch.ones(1)
        for i in range(3):
            h = w * 2
            h.register_hook(lambda g: signal.raise_signal(signal.SIGINT) if i == 1 else None)
            (h.sin() * 3).cos().sum().backward()
            last = torch.ones(1)
    """)
    d.load(path)
    watch(d, nodes=True)
    d.cont()
    (stop,) = d.stops()[1:]
    assert d.value("i") == "1"
    assert stop.op is None or stop.op.name == "ones"
    d.cont()
    assert d.prompt.state == "idle"
    assert health(d).backwards == 3
