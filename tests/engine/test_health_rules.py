"""The rules of the verdicts, the clock, and the figures of gradients, each by itself."""

from __future__ import annotations

import math

import pytest
import torch
from torch.overrides import TorchFunctionMode

from gradrepl.engine.graph import arrivals
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.health import clock, measure, nodes
from gradrepl.engine.health.verdicts import Facts, fine, growth, judge, judge_node
from gradrepl.engine.observers import Depth
from gradrepl.model.health import HealthLimits

LIMITS = HealthLimits()
NAN, INF = float("nan"), float("inf")


def facts(**more):
    given = {
        "numel": 100, "norm": 1.0, "has_grad": True, "seen": True, "requires_grad": True,
        "level": 0.0, "silent": 0.0, "nans": 0, "infs": 0, "zero_for": 0, "missed": 0,
        "apart": False, "same": 0, "bad_for": 0, "bad_since": 0, "scale": None,
    }  # fmt: skip
    return Facts(**{**given, **more})


NONE = {"has_grad": False, "norm": None}
CASES = [
    ({}, "ok", "ok", ""),
    ({"requires_grad": False, "norm": NAN}, "frozen", "frozen", ""),
    ({"norm": 9.9e-8}, "vanishing", "vanishing", "vanishing"),
    ({"norm": 1e-7}, "ok", "ok", ""),
    ({"norm": 1001.0}, "exploding", "exploding", "exploding"),
    ({"norm": 1000.0}, "ok", "ok", ""),
    ({"norm": 101.0, "level": 1.0}, "exploding", "exploding", "jump"),
    ({"norm": 100.0, "level": 1.0}, "ok", "ok", ""),
    ({"norm": NAN, "nans": 3, "bad_since": 118}, "nan", "NaN @118", ""),
    ({"norm": INF, "infs": 3, "bad_since": 7}, "inf", "Inf @7", ""),
    ({"norm": INF, "infs": 3, "nans": 1, "bad_since": 7}, "nan", "NaN @7", ""),
    ({"norm": INF, "infs": 3, "bad_for": 9, "scale": 65536.0}, "overflow", "overflow", ""),
    ({"norm": INF, "infs": 3, "bad_for": 10, "bad_since": 2, "scale": 9.0}, "inf", "Inf @2", ""),
    ({"norm": INF, "infs": 3, "bad_since": 2, "scale": 1.0}, "inf", "Inf @2", ""),
    ({"silent": 0.64}, "dead", "dead 64%", "dead"),
    ({"silent": 0.49}, "ok", "ok", ""),
    ({"silent": 0.4, "dead": True}, "dead", "dead 40%", "dead"),
    ({"silent": 0.39, "dead": True}, "ok", "ok", ""),
    ({"silent": None}, "ok", "ok", ""),
    ({"norm": 1e-8, "beside": 0.1}, "ok", "no effect", ""),
    ({"norm": 1e-8, "beside": 1e-4}, "vanishing", "vanishing", "vanishing"),
    ({"norm": 0.0, "beside": 0.1, "zero_for": 9}, "ok", "no effect", ""),
    ({"norm": 1e-7, "silent": 0.64, "beside": 1.0}, "dead", "dead 64%", "dead"),
    ({"norm": 1e-6, "level": 1e-9, "beside": 1.0}, "ok", "ok", ""),
    ({"norm": 1e4, "beside": 1e9}, "exploding", "exploding", "exploding"),
    ({"norm": 0.0, "zero_for": 2, "optimizer": "SGD"}, "ok", "zero", ""),
    ({"norm": 0.0, "zero_for": 3, "optimizer": "SGD"}, "dead", "dead 100%", ""),
    ({"norm": 0.0, "zero_for": 9}, "ok", "zero", ""),
    ({"norm": 0.0, "zero_for": 10}, "dead", "dead 100%", ""),
    ({"growth": 5.0, "looks": 60}, "rising", "rising", "rising"),
    ({"growth": 4.9, "looks": 60}, "ok", "ok", ""),
    ({"growth": 9.0, "same": 10}, "unchanged", "unchanged", "patience"),
    ({"same": 10}, "unchanged", "unchanged", "patience"),
    ({"same": 9}, "ok", "ok", ""),
    ({"same": 2, "left_out": True}, "ok", "ok", ""),
    ({"same": 3, "left_out": True}, "unchanged", "unchanged", ""),
    ({**NONE, "seen": False, "missed": 9}, "unseen", "unseen", ""),
    ({**NONE, "seen": False, "missed": 10}, "no grad", "no grad", "patience"),
    ({**NONE, "seen": False, "missed": 99, "apart": True}, "unseen", "unseen", ""),
    ({**NONE, "seen": False, "missed": 99, "overlooked": 1, "optimizer": "SGD"},
     "unseen", "unseen", ""),
    ({**NONE, "seen": False, "missed": 2, "overlooked": 2, "optimizer": "SGD"},
     "no grad", "no grad", ""),
    ({**NONE, "seen": False, "apart": True, "overlooked": 2, "optimizer": "SGD"},
     "no grad", "no grad", ""),
    ({**NONE, "missed": 9}, "ok", "not reached", ""),
    ({**NONE, "missed": 10}, "no grad", "no grad", "patience"),
    ({**NONE, "missed": 99, "overlooked": 9, "optimizer": "SGD"}, "ok", "not reached", ""),
    ({**NONE, "missed": 10, "overlooked": 10, "optimizer": "SGD"},
     "no grad", "no grad", "patience"),
    ({"norm": None, "seen": False}, "unseen", "unseen", ""),
    ({"norm": None}, "ok", "not readable", ""),
]  # fmt: skip


@pytest.mark.parametrize(("given", "word", "label", "limit"), CASES)
def test_each_verdict_at_its_limit(given, word, label, limit):
    found = judge(facts(**given), LIMITS)
    assert (found.word, found.label, found.limit) == (word, label, limit)
    if found.limit:
        assert f"{getattr(LIMITS, found.limit):g}" in found.why
    norm, level = given.get("norm", 1.0), given.get("level", 0.0)
    if set(given) <= {"norm", "level"} and norm is not None:
        assert fine(norm, level, LIMITS) == (word == "ok"), "the short cut judges as the rules do"


def test_limits_can_be_set():
    assert judge(facts(norm=0.5), HealthLimits(vanishing=1.0)).word == "vanishing"
    assert judge(facts(norm=5e3), HealthLimits(exploding=1e4)).word == "ok"


@pytest.mark.parametrize(
    ("norm", "nans", "scale", "word"),
    [
        (1.0, 0, None, "ok"), (0.0, 0, None, "dead"), (1e-8, 0, None, "vanishing"),
        (1e4, 0, None, "exploding"), (1e4, 0, 65536.0, "ok"), (NAN, 1, None, "nan"),
        (INF, 0, None, "inf"), (INF, 2, None, "nan"), (None, None, None, "ok"),
    ],
)  # fmt: skip
def test_a_node_is_judged_by_its_norm(norm, nans, scale, word):
    assert judge_node(norm, nans, LIMITS, scale) == word


# -- figures -------------------------------------------------------------------------------------


def tensors():
    torch.manual_seed(0)
    yield "plain", torch.randn(5, 7)
    yield "zeros", torch.randn(1000).relu()
    yield "half", torch.full((4096,), 2e-6, dtype=torch.float16)
    yield "bfloat16", torch.randn(33, dtype=torch.bfloat16)
    yield "double", torch.randn(9, dtype=torch.float64)
    yield "overflow of the sum", torch.full((8,), 3e38)
    yield "nan", torch.tensor([1.0, NAN, 0.0])
    yield "inf", torch.tensor([1.0, -INF, INF])
    yield "transposed", torch.randn(6, 8).t()
    yield "expanded", torch.tensor(2.0).expand(3, 4)
    yield "scalar", torch.tensor(-3.0)
    yield "empty", torch.empty(0, 3)
    yield "sparse", torch.tensor([[0.0, 2.0], [0.0, -1.0]]).to_sparse()
    yield "complex", torch.randn(4, dtype=torch.complex64)


@pytest.mark.parametrize(("name", "grad"), list(tensors()), ids=[name for name, _ in tensors()])
def test_figures_are_torchs(name, grad):
    dense = grad.to_dense() if grad.is_sparse else grad
    wide = dense.to(torch.complex128 if dense.is_complex() else torch.float64)
    (norm,) = measure.norms([grad])
    assert norm == pytest.approx(wide.norm().item(), rel=1e-3, nan_ok=True)
    low, high, zeros = measure.extremes(grad)
    if not dense.numel():
        assert (low, high, zeros) == (None, None, None)
        return
    assert zeros == int((dense == 0).sum())
    if dense.is_complex():
        assert (low, high) == (None, None)
    elif not grad.is_sparse:
        assert low == pytest.approx(dense.min().item(), nan_ok=True)
        assert high == pytest.approx(dense.max().item(), nan_ok=True)
    if not math.isfinite(norm):
        assert measure.counts(grad) == (int(dense.isnan().sum()), int(dense.isinf().sum()))


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "channels_last", "sparse steps"])
@pytest.mark.parametrize("size", [8, 512])
def test_a_change_of_a_weight_is_measured(layout, size):
    torch.manual_seed(0)
    weight = torch.randn(size, size)
    if layout == "transposed":
        weight = weight.t()
    if layout == "channels_last":
        weight = torch.randn(2, size, 4, size).to(memory_format=torch.channels_last)
    if layout == "sparse steps":
        weight = torch.randn(size, 2 * size)[:, ::2]
    kept = measure.copy(weight, 0)
    assert measure.change(weight, kept)[:2] == (False, 0.0)
    before = weight.clone()
    weight.mul_(1.01)
    changed, update, elements = measure.change(weight, kept)
    assert changed
    assert update == pytest.approx(((weight - before).norm() / before.norm()).item(), rel=1e-3)
    assert elements == weight.numel() if size == 8 else 4000 < elements < 9000


def test_a_change_beside_the_sample_is_seen_by_the_version():
    weight = torch.zeros(1000, 1000)
    kept = measure.copy(weight, 0)
    weight[0, 1] = 1.0
    changed, update, _ = measure.change(weight, kept)
    assert changed
    assert update is None, "a norm of zero has no ratio"


# -- the clock -----------------------------------------------------------------------------------


def test_where_the_time_of_a_step_goes(monkeypatch):
    moment = [0.0]
    monkeypatch.setattr(clock, "now", lambda: moment[0])
    found = clock.Clock(lambda optimizer: None)

    def passes(seconds):
        moment[0] += seconds

    for _ in range(4):
        found.wait(lambda iterator: passes(0.7), None)
        passes(0.1)  # the forward
        passes(0.15)  # the backward
        found.passed(0.1, 0.05)
        found._before_step(None, (), {})
        passes(0.05)
        found._after_step(None, (None,), {})
    timing = found.timing(LIMITS)
    parts = (timing.data, timing.forward, timing.backward, timing.optimizer, timing.watching)
    assert parts == pytest.approx((0.7, 0.1, 0.1, 0.05, 0.05))
    assert timing.total == pytest.approx(1.0)
    assert timing.steps == 3, "when the first began is not known"
    assert timing.verdict == "loader-bound: 70% of the step is waiting for data."
    assert not timing.closures


def test_waiting_less_than_the_forward_takes_is_not_loader_bound():
    parts = {"the forward and the program's own code": 0.6}
    verdict = clock._verdict(0.4, 1.0, parts, LIMITS)
    assert verdict.startswith("the forward and the program's own code takes the largest part")


def test_a_closures_backward_is_not_the_optimizers_time(monkeypatch):
    moment = [0.0]
    monkeypatch.setattr(clock, "now", lambda: moment[0])
    found = clock.Clock(lambda optimizer: None)
    for _ in range(2):
        found._before_step(None, (), {})
        moment[0] += 3.0
        found.passed(2.0, 0.5)
        found._after_step(None, (None, len), {})
    timing = found.timing(LIMITS)
    assert (timing.optimizer, timing.backward, timing.watching) == (0.5, 2.0, 0.5)
    assert timing.closures


def test_a_step_in_which_somebody_stopped_does_not_count(monkeypatch):
    moment = [0.0]
    monkeypatch.setattr(clock, "now", lambda: moment[0])
    found = clock.Clock(lambda optimizer: None)
    for pause in (0.0, 0.0, 1000.0, 0.0):
        moment[0] += 1.0 + pause
        if pause:
            found.restart()
        found.passed(0.5, 0.0)
    assert [spent.total for spent in found.kept] == [1.0, 1.0]


# -- nodes ---------------------------------------------------------------------------------------


def test_a_view_has_the_figures_of_its_base_only_if_it_has_its_elements():
    base = torch.randn(200, 200)
    watch = arrivals.Arrivals([], False)
    watch._read(base)
    assert watch._seen(base.t()) is not None
    assert watch._seen(base.view(-1)) is not None
    assert watch._seen(base[:100]) is None
    assert watch._seen(base[:100].unsqueeze(0).expand(2, 100, 200)) is None
    assert watch._seen(base.view(torch.int32)) is None
    base.mul_(2)
    assert watch._seen(base.t()) is None, "it has been written since"
    again = torch.randn(200, 200)
    watch._read(again)
    key = id(again)
    del again
    assert watch._same[key][0]() is None, "nothing is kept alive"


# -- rising --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("norms", "wanted"),
    [
        ([1.0] * 10 + [2.0] * 10 + [8.0] * 10, 8.0),
        ([1.0] * 10 + [9.0] * 10 + [8.0] * 10, 0.0),
        ([8.0] * 10 + [2.0] * 10 + [1.0] * 10, 0.0),
        ([1.0] * 29, 0.0),
        ([1.0] * 10 + [2.0] * 10 + [8.0] * 10 + [NAN, INF, 0.0] * 9, 8.0),
        ([0.01, 100.0] * 20, 0.0),
    ],
)
def test_what_is_steadily_rising(norms, wanted):
    assert growth(norms) == pytest.approx(wanted)


# -- where it shrinks ----------------------------------------------------------------------------

NAMES = ("NllLossBackward0", "AddmmBackward0", "AccumulateGrad", "SigmoidBackward0",
         "AddmmBackward0", "AccumulateGrad", "TBackward0", "AccumulateGrad", "TBackward0",
         "AccumulateGrad")  # fmt: skip
GRAPH = nodes.Run(
    backward=7,
    scale=None,
    kinds=[type(name, (), {}) for name in NAMES],
    norms=(1.0, 0.5, 0.5, 2.5, 1e-3, 1e-3, 1e-4, 1e-4, 0.9, 0.9),
    next=((1,), (2, 3, 8), (), (4,), (5, 6), (), (7,), (), (9,), ()),
    leaves={2: "net.head.bias", 5: "net.enc.bias", 7: "net.enc.weight", 9: "net.head.weight"},
)


def test_a_path_goes_from_the_loss_to_the_parameter():
    assert nodes.path(GRAPH, "net.enc.weight") == [0, 1, 3, 4, 6, 7]
    assert nodes.path(GRAPH, "gone") == []
    two = GRAPH._replace(next=((1, 3), (2,), (), (2,), *[()] * 6))
    assert nodes.path(two, "net.head.bias") == [0, 3, 2], "where it forks, the larger norm"


def test_where_it_shrinks_is_told_in_sentences():
    assert list(nodes.explain_norm(GRAPH, "net.enc.weight", False)) == [
        "On its way through 6 nodes it shrinks 1.0e+04-fold: 1.0e+00 at the loss, 1.0e-04 at it"
        " (backward 7).",
        "Most at #4 SigmoidBackward0 between net.enc and net.head: 2.5e+00 arrives, 1.0e-03 goes"
        " on, 2.5e+03-fold.",
    ]
    lines = GRAPH._replace(lines={1: "net.head, train.py:7"})
    assert list(nodes.explain_norm(lines._replace(scale=10.0), "net.enc.weight", True)) == [
        "On its way through 6 nodes it grows nowhere by much: 1.0e-01 at the loss, 1.0e-05 at it."
    ]
    grown = lines._replace(norms=(1.0, 2.0, 2.0, 80.0, 9.0, 9.0, 90.0, 90.0, 0.9, 0.9))
    assert list(nodes.explain_norm(grown, "net.enc.weight", True)) == [
        "On its way through 6 nodes it grows 90-fold: 1.0e+00 at the loss, 9.0e+01 at it"
        " (backward 7).",
        "All 2 AddmmBackward0 on the way together: 400-fold.",
        "Most at #2 AddmmBackward0 (net.head, train.py:7): 2.0e+00 arrives, 8.0e+01 goes on,"
        " 40-fold.",
    ]
    dead = GRAPH._replace(norms=(0.0,) * 10)
    assert list(nodes.explain_norm(dead, "net.enc.weight", False)) == [
        "No path to it was seen at backward 7."
    ]


def test_a_node_is_in_the_module_of_its_nearest_parameter():
    assert nodes._module(GRAPH, 4) == "net.enc"
    assert nodes._module(GRAPH, 3) == ""
    embedded = GRAPH._replace(next=((), (3, 6), (), (2,), (), (), (7,), (), (), ()))
    assert nodes._module(embedded, 1) == "net.enc", "of a tie the weight, which comes last"


# -- a mode that comes in the middle ---------------------------------------------------------------


def test_a_mode_that_comes_in_the_middle_of_a_backward_sees_nothing_of_ours():
    seen = []

    class Sees(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    mode = Sees()
    w = torch.ones(3, requires_grad=True)
    h = w * 2
    h.register_hook(lambda grad: mode.__enter__() and None)
    large = torch.cat([h.sin()] * arrivals.LARGE).cos().sum()
    watch = Recorder(Graph([large.grad_fn]), Depth.STATISTICS)
    watch.attach()
    large.backward()  # the engine takes the mode away again at its end
    watch.remove()
    assert seen == []
    assert len(watch.ran) == 6


@pytest.mark.parametrize(("op", "saves"), [(torch.add, False), (torch.mul, True)])
def test_a_graph_that_may_be_walked_again_gets_no_hooks_that_stay(op, saves):
    a = torch.ones(3, requires_grad=True)
    out = op(a, a).sum()
    watched = Recorder(Graph([out.grad_fn]), Depth.NORM)
    watched.attach()
    freed_with_the_graph = 3 - len(watched._handles)
    out.backward()
    watched.remove()
    assert freed_with_the_graph == (2 if saves else 0)
