"""The one recorder of a backward, against plain hooks: order, norms, statistics, times."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import torch
from torch import nn

from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.graph.recorder import Recorder
from gradrepl.engine.observers import Depth


def loss_of(wide: int = 4) -> torch.Tensor:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(3, wide), nn.Tanh(), nn.Linear(wide, 2))
    return net(torch.randn(5, 3)).square().mean()


def recorded(root: torch.Tensor, depth: Depth, **more: Any) -> Recorder:
    recorder = Recorder(Graph([root.grad_fn]), depth, **more)
    recorder.attach()
    return recorder


def plainly(root: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    """Return a list that fills with each node's name and the gradient that arrived."""
    seen: list[tuple[str, torch.Tensor]] = []
    for node in Graph([root.grad_fn]).nodes:

        def arrived(grads: Any, node: Any = node) -> None:
            seen.append((type(node).__name__, grads[0].clone()))

        node.register_prehook(arrived)
    return seen


def names(recorder: Recorder) -> list[str]:
    return [type(node).__name__ for node in recorder.ran]


@pytest.mark.parametrize("depth", list(Depth))
@pytest.mark.parametrize("keeps", [False, True])
def test_what_ran_is_what_plain_hooks_say(depth: Depth, keeps: bool) -> None:
    loss = loss_of()
    seen = plainly(loss)
    recorder = recorded(loss, depth, keeps=keeps)
    loss.backward(retain_graph=keeps)
    recorder.remove()
    assert names(recorder) == [name for name, _ in seen]
    norms = [torch.linalg.vector_norm(grad).item() for _, grad in seen]
    assert list(recorder.ran.values()) == (norms if depth else [None] * len(seen))
    ranges = [(grad.min().item(), grad.max().item()) for _, grad in seen]
    assert recorder.ranges == (ranges if depth is Depth.STATISTICS else [])
    leaves = [place for place, (name, _) in enumerate(seen) if name == "AccumulateGrad"]
    assert [place for place, _ in recorder.leaves] == leaves
    assert recorder.removable == keeps


def test_another_backward_over_the_same_graph_is_not_recorded() -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    inner = a.exp()
    middle = inner * 2
    loss = middle.sum()

    def runs_it_too(grad: torch.Tensor) -> None:
        torch.autograd.grad(inner, a, torch.ones(2), retain_graph=True)

    middle.register_hook(runs_it_too)
    recorder = recorded(loss, Depth.NORM, keeps=True)
    loss.backward(retain_graph=True)
    recorder.remove()
    assert names(recorder) == ["SumBackward0", "MulBackward0", "ExpBackward0", "AccumulateGrad"]
    assert recorder.ran[inner.grad_fn] == torch.linalg.vector_norm(torch.tensor([2.0, 2.0])).item()


def test_nothing_stays_and_a_second_backward_is_not_seen() -> None:
    loss = loss_of()
    recorder = recorded(loss, Depth.NORM, keeps=True)
    loss.backward(retain_graph=True)
    recorder.remove()
    before = names(recorder)
    loss.backward()
    assert names(recorder) == before
    recorder.release()
    assert (recorder.ran, recorder.leaves, recorder.graph.nodes) == ({}, [], [])


def test_one_may_look_deeper_in_the_middle_where_hooks_can_be_removed() -> None:
    loss = loss_of()
    recorder = recorded(loss, Depth.ORDER, keeps=True)
    middle = recorder.graph.nodes[2]
    middle.register_prehook(lambda grads: recorder.deepen(Depth.NORM))
    loss.backward()
    recorder.remove()
    norms = list(recorder.ran.values())
    at = list(recorder.ran).index(middle)
    assert [norm is None for norm in norms] == [True] * (at + 1) + [False] * (len(norms) - at - 1)


def test_the_first_gradient_that_is_there_counts() -> None:
    a = torch.randn(4, 3, requires_grad=True)
    _, second = a.unbind(1)[0], a.split([1, 2], dim=1)[1]
    loss = second.exp().sum()
    recorder = recorded(loss, Depth.NORM)
    loss.backward()
    recorder.remove()
    found = {type(node).__name__: (norm, shape) for node, norm, shape in recorder.arrived()}
    norm = torch.linalg.vector_norm(second.detach().exp()).item()
    assert found["SplitWithSizesBackward0"] == (norm, (4, 2))


def test_times_are_those_of_the_nodes_and_not_ours() -> None:
    class Slow(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            time.sleep(0.02)
            return grad * 2

    a = torch.ones(2, requires_grad=True)
    loss = Slow.apply(a).sum()
    recorder = recorded(loss, Depth.NORM, times=True)
    before = time.perf_counter()
    loss.backward()
    recorder.remove()
    times = list(recorder.times())
    assert names(recorder) == ["SumBackward0", "SlowBackward", "AccumulateGrad"]
    assert {thread for _, _, thread in times} == {threading.get_ident()}
    begins = [begin for begin, _, _ in times]
    assert before < begins[0] < begins[1] < begins[2]
    assert times[1][1] >= 0.02
    assert begins[1] + times[1][1] <= begins[2]


def test_a_walk_may_end_before_the_graph_does() -> None:
    x = torch.ones(1, requires_grad=True)
    loss = x
    for _ in range(50):
        loss = loss.sin()
    graph = Graph([loss.grad_fn], 10)
    recorder = Recorder(graph, Depth.NORM)
    recorder.attach()
    loss.backward()
    recorder.remove()
    assert (len(graph), graph.cut, len(recorder.ran)) == (10, True, 10)
    assert not Graph([loss.grad_fn]).cut


def test_norms_within_a_range_are_told_without_an_event() -> None:
    within = Recorder(Graph([loss_of().grad_fn])).arrivals.all_within
    small, large = torch.full((4,), 0.5), torch.full((4,), 50.0)
    assert within((0.0, 2.0), [small, None, small])
    assert not within((0.0, 2.0), [small, large])
    assert not within((0.0, 2.0), [torch.tensor([float("nan")])])
    assert within((2.0, float("inf")), [large])
    assert not within((2.0, float("inf")), [large], first=1.0), "what is known is not read again"
    assert not within((float("inf"), -float("inf")), [])
