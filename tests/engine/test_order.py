"""Stops come in the engine's own order, which is also the predicted one; gradients are autograd's.

Hypothesis draws graphs with views, in-place writes, shared parts, several roots, leaves used many
times, custom Functions and branches under no_grad.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gradrepl import model

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    from random_graphs import OPERATIONS, build

    from gradrepl.engine.graph.graph import Graph, Lanes, Order

HERE = Path(__file__).parent
STEPS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 5), st.integers(0, 5)),
    min_size=1, max_size=14,
)  # fmt: skip
ROOTS = st.integers(1, 3)


def predicted(graph, needed=None):
    order = Order(graph, needed)
    return [graph.nodes[order.at(place)] for place in range(1, order.total + 1)]


def engine_order(graph, run):
    """Return the nodes in the order in which the engine runs them."""
    ran = []
    handles = [
        node.register_prehook(lambda grads, node=node: ran.append(node)) for node in graph.nodes
    ]
    run()
    for handle in handles:
        handle.remove()
    return ran


@given(STEPS, ROOTS)
@settings(max_examples=400, deadline=None)
def test_prediction_is_the_engines_order(steps, roots):
    ends, _, _ = build(steps, roots)
    graph = Graph([end.grad_fn for end in ends])
    assert predicted(graph) == engine_order(graph, lambda: torch.autograd.backward(ends))


@given(STEPS, ROOTS, st.sets(st.integers(0, 16), min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_prediction_for_chosen_inputs(steps, roots, chosen):
    ends, leaves, tensors = build(steps, roots)
    graph = Graph([end.grad_fn for end in ends])
    nodes = {id(leaf): torch.autograd.graph.get_gradient_edge(leaf).node for leaf in leaves}
    nodes |= {id(tensor): tensor.grad_fn for tensor in tensors if tensor.grad_fn is not None}
    inputs = [tensors[number % len(tensors)] for number in sorted(chosen)]
    inputs = [each for each in inputs if nodes.get(id(each)) in graph.index]
    assume(inputs)
    needed = graph.needed([graph.index[nodes[id(each)]] for each in inputs], accumulate=False)
    assert predicted(graph, needed) == engine_order(
        graph, lambda: torch.autograd.grad(ends, inputs)
    )


@given(STEPS, ROOTS, st.sets(st.integers(0, 2), min_size=1))
@settings(max_examples=50, deadline=None)
def test_prediction_for_a_backward_into_chosen_leaves(steps, roots, chosen):
    ends, leaves, _ = build(steps, roots)
    graph = Graph([end.grad_fn for end in ends])
    inputs = [leaves[number] for number in sorted(chosen)]
    nodes = [torch.autograd.graph.get_gradient_edge(leaf).node for leaf in inputs]
    assume(any(node in graph.index for node in nodes))
    needed = graph.needed([graph.index.get(node, -1) for node in nodes], accumulate=True)
    needed.discard(-1)
    assert predicted(graph, needed) == engine_order(
        graph, lambda: torch.autograd.backward(ends, inputs=inputs)
    )


def test_a_deep_graph_is_walked_and_predicted():
    leaf = torch.ones(1, requires_grad=True)
    end = leaf
    for _ in range(20_000):
        end = end + 1
    graph = Graph([end.grad_fn])
    order = Order(graph, None)
    assert (len(graph), order.total) == (20_001, 20_001)
    assert (order.place(0), order.at(20_001)) == (1, 20_000)


# -- with a real debuggee ----------------------------------------------------------------------


def shown_key(node, zero):
    """Return ``random_graphs.key`` of a node that was shown."""
    if node.seq is None:
        return node.label.replace("leaves_", "leaf ")
    return f"{node.name} {node.seq - zero}"


@given(STEPS, ROOTS)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_stops_are_what_plain_hooks_and_autograd_grad_say(d, steps, roots):
    d.told.clear()
    d.type(f"import sys; sys.path.append({str(HERE)!r})\nfrom random_graphs import *")
    d.type(f"order, gradients, wanted = order_by_hooks({steps!r}, {roots})")
    d.type(f"ends, leaves, tensors = build({steps!r}, {roots})")
    d.type("leaves_0, leaves_1, leaves_2 = leaves")
    order, gradients, wanted = eval(d.value("(order, gradients, wanted)", full=True))
    stops = [stop for stop in d.walk("torch.autograd.backward(ends)") if stop.node]
    nodes = [stop.node for stop in stops]
    zero = min(node.seq for node in nodes if node.seq is not None)
    keys = [shown_key(node, zero) for node in nodes]
    norms = [[g and g.stats.norm for g in node.grad_in] for node in nodes]
    assert (keys, norms) == (order, gradients)
    assert [node.id for node in nodes] == list(range(1, len(nodes) + 1))
    arrived = {
        f"{name} {number}": norm
        for name, found in zip(keys, norms, strict=True)
        for number, norm in enumerate(found)
    }
    assert {place: arrived.get(place) for place in wanted} == wanted
    assert isinstance(d.told[-1], model.Pass)
    assert d.told[-1].outcome == "finished"


class Counted(int):
    """A node that counts how often it is compared."""

    asked = 0
    __hash__ = int.__hash__

    def __eq__(self, other):
        Counted.asked += 1
        return int(self) == other


def test_lanes_of_many_leaves_cost_no_square_of_them():
    many = [Counted(number) for number in range(1, 1001)]
    lanes = Lanes(lambda node: many if node == 0 else (), Counted(0))
    Counted.asked = 0
    assert lanes.row(Counted(0), leaf=False).endswith("…")
    assert Counted.asked < 20 * len(many)
