"""What files are written from, against torch itself: edges, order, norms, times."""

from __future__ import annotations

import ast
import asyncio
import csv
import gc
import io
import json
import re
import warnings
import weakref
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from debuggee import Debuggee
from hypothesis import given, settings

from gradrepl import model, plugins, protocol
from gradrepl.commands.export import export
from gradrepl.commands.export import record as switching
from gradrepl.export.files import Graph as GraphRecord
from gradrepl.export.files import Rows
from gradrepl_data_files.tables import graph_json
from gradrepl_graphviz import dot

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    from random_graphs import build
    from test_order import ROOTS, STEPS

    from gradrepl.engine.export.answers import Journal
    from gradrepl.engine.export.snapshot import Snapshot
    from gradrepl.engine.graph.graph import Graph
    from gradrepl.engine.graph.nodes import Labelled
    from gradrepl.engine.observers import BackwardCall
    from gradrepl.engine.tensor.names import Names

plugins.here().load()

NET = """\
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
    def forward(self, x): return x + self.b(self.a(x).relu())
net = nn.Sequential(nn.Linear(3, 4), Block(), nn.Linear(4, 2))
x = torch.rand(5, 3)
loss = net(x).square().mean()
"""


def snapshot(space: dict[str, Any], *ends: torch.Tensor) -> Snapshot:
    graph = Graph([end.grad_fn for end in ends])
    return Snapshot(Labelled(graph, lambda number: None, lambda: Names([space])))


def record(taken: Snapshot) -> GraphRecord:
    rows = taken.rows(0, len(taken))
    return GraphRecord(taken.head(1, "graph", None), Rows(model.NodeRow, rows))


def key(node: Any, leaves: list[torch.Tensor]) -> str:
    variable = getattr(node, "variable", None)
    if variable is not None:
        return f"leaf_{[leaf is variable for leaf in leaves].index(True)}"
    return f"{node.name().rpartition('::')[2]} {node._sequence_nr()}"


def edges_by_walk(node: Any, leaves: list[torch.Tensor]) -> Counter[tuple[str, str, int]]:
    """Walk ``next_functions`` in the plainest way."""
    found: Counter[tuple[str, str, int]] = Counter()
    seen = set()

    def walk(node: Any) -> None:
        if node in seen:
            return
        seen.add(node)
        for target, number in node.next_functions:
            if target is not None:
                found[key(node, leaves), key(target, leaves), number] += 1
                walk(target)

    walk(node)
    return found


@given(STEPS, ROOTS)
@settings(max_examples=200, deadline=None)
def test_edges_of_json_and_dot_are_those_of_a_plain_walk(steps, roots):
    ends, leaves, _ = build(steps, roots)
    end = sum(ends[1:], ends[0])
    taken = record(snapshot({f"leaf_{number}": leaf for number, leaf in enumerate(leaves)}, end))
    out = io.StringIO()
    graph_json(taken, out)
    found = json.loads(out.getvalue())
    names = {
        each["id"]: each["label"] if each["leaf"] else f"{each['name']} {each['sequence']}"
        for each in found["nodes"]
    }
    assert len(set(names.values())) == len(names)
    wanted = edges_by_walk(end.grad_fn, leaves)
    assert wanted == Counter(
        (names[node["id"]], names[edge["to"]], edge["input"])
        for node in found["nodes"]
        for edge in node["edges"]
        if edge is not None
    )
    assert found["edge_count"] == wanted.total()
    out = io.StringIO()
    dot(taken, out)
    drawn = re.findall(r'^  n(\d+) -> n(\d+)(?: \[taillabel="(\d+)"\])?;$', out.getvalue(), re.M)
    assert wanted == Counter((names[int(a)], names[int(b)], int(n or 0)) for a, b, n in drawn)


@given(STEPS, ROOTS)
@settings(max_examples=50, deadline=None)
def test_edges_without_a_node_keep_their_place(steps, roots):
    ends, _, _ = build(steps, roots)
    graph = Graph([end.grad_fn for end in ends])
    taken = snapshot({}, *ends)
    rows = {row.id: row for row in taken.rows(0, 1000)}
    for place, node in enumerate(graph.nodes):
        row = rows[taken.id(place)]
        assert (row.name, len(row.to)) == (node.name().rpartition("::")[2], len(
            node.next_functions
        ))  # fmt: skip
        for to, number, (target, input_nr) in zip(
            row.to, row.inputs, node.next_functions, strict=True
        ):
            assert to == (0 if target is None else taken.id(graph.index[target]))
            assert number == (0 if target is None else input_nr)


def test_nothing_of_the_users_is_kept() -> None:
    leaf = torch.ones(3, requires_grad=True)
    middle = leaf * 2
    end = middle.exp().sum()
    version, seed = leaf._version, torch.get_rng_state()
    taken = snapshot({"leaf": leaf, "end": end}, end)
    taken.rows(0, 2)
    assert (leaf._version, leaf.grad, middle.retains_grad) == (version, None, False)
    assert torch.equal(seed, torch.get_rng_state())
    gone = [weakref.ref(leaf), weakref.ref(middle), weakref.ref(end)]
    saved = weakref.ref(end.grad_fn.next_functions[0][0]._saved_result)
    del leaf, middle, end
    gc.collect()
    assert [each() for each in (*gone, saved)] == [None] * 4
    assert [row.name for row in taken.rows(0, 10)] == [
        "SumBackward0", "ExpBackward0", "MulBackward0", "AccumulateGrad",
    ]  # fmt: skip


def test_what_is_wrong_with_saved_values() -> None:
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    z = y.sum()
    y.add_(1)
    problems = {row.name: row.problem for row in snapshot({}, z).rows(0, 10)}
    assert problems == {"SumBackward0": "", "ExpBackward0": "changed in place",
                        "AccumulateGrad": ""}  # fmt: skip
    w = x.exp().sum()
    w.backward()
    assert [row.problem for row in snapshot({}, w).rows(0, 10)] == ["", "freed", ""]


def test_what_a_function_calls_variable_is_no_leaf() -> None:
    class Mine(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.variable = x.detach()
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            return 2 * grad

    x = torch.ones(3, requires_grad=True)
    rows = snapshot({"x": x}, Mine.apply(x)).rows(0, 9)
    assert [(row.leaf, row.label) for row in rows] == [(False, ""), (True, "x")]


def test_a_journal_without_a_face_goes() -> None:
    placed: list[Any] = []
    stepper = SimpleNamespace(
        gate=SimpleNamespace(detached=False), observers=[],
        rearm=lambda: placed.append(journal.records), place_recorder=lambda: None,
    )  # fmt: skip
    journal = Journal(SimpleNamespace(stepper=stepper))  # type: ignore[arg-type]
    journal.place(True)
    stepper.gate.detached = True
    assert journal.begins(BackwardCall([], (), {})) is None
    assert (stepper.observers, placed, list(journal.passes)) == ([], [True, False], [])


# -- with a real debuggee ----------------------------------------------------------------------


class Talk:
    """``:export`` asks a real debuggee."""

    on_shot = None

    def __init__(self, d: Debuggee) -> None:
        self.d = d
        self.told: list[Any] = []

    async def ask(self, request: Any) -> Any:
        return self.d.look(request)

    def tell(self, record: Any) -> None:
        self.told.append(record)


def switch(d: Debuggee, on: bool) -> Any:
    return asyncio.run(switching(Talk(d), on))


def do(d: Debuggee, text: str) -> Any:
    return asyncio.run(export(Talk(d), text))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_graph_knows_ops_lines_and_modules(d: Debuggee, here: Path) -> None:
    d.type(NET)
    assert do(d, "g.json loss").of == "the graph of loss"
    found = json.loads((here / "g.json").read_text())
    nodes = {each["label"] or each["name"]: each for each in found["nodes"]}
    assert nodes["1.a.weight"]["module"] == "1.a"
    relu = nodes["ReluBackward0"]
    assert (relu["module"], relu["op_name"], relu["line"]) == ("1", "relu", 5)
    assert found["modules"]["1.b"] == "Linear"
    for file in ("g.svg", "g.html", "g.dot", "g.mmd"):
        assert do(d, f"{file} loss").rows == found["node_count"] == 20


def test_what_has_no_graph(d: Debuggee, here: Path) -> None:
    d.type("x = torch.ones(3)")
    switch(d, True)  # forgets what was recorded before
    switch(d, False)
    assert "'x' has no graph" in do(d, "x.svg x").message
    assert "none was recorded" in do(d, "x.svg").message
    assert "':record on'" in do(d, "pass x.csv").hint
    d.type("1 + 1")
    assert list(here.iterdir()) == []


def test_a_paused_backward(d: Debuggee, here: Path) -> None:
    d.type("a = torch.tensor(2., requires_grad=True); L = (3 * a) * a ** 2")
    d.backward("L")
    d.step()
    do(d, "pass p.csv")
    rows = list(csv.DictReader(io.StringIO((here / "p.csv").read_text())))
    assert [(r["order"], r["id"], r["state"], r["norm"]) for r in rows] == [
        ("1", "1", "done", "1.0"), ("2", "2", "here", "6.0"), ("", "3", "predicted", ""),
        ("", "4", "predicted", ""),
    ]  # fmt: skip
    assert do(d, "g.svg").of == "the graph of this backward"
    assert 'class="box here"' in (here / "g.svg").read_text()
    assert d.value("a.grad") == "None"
    d.cont()


def test_only_what_is_asked_for_runs(d: Debuggee, here: Path) -> None:
    d.type("a, b = (torch.tensor(v, requires_grad=True) for v in (2., 3.)); L = a.exp() * b.sin()")
    d.type("torch.autograd.grad(L, [a])", stepped=True)
    do(d, "g.json")
    nodes = json.loads((here / "g.json").read_text())["nodes"]
    assert {n["name"]: n["state"] for n in nodes if not n["leaf"]} == {
        "MulBackward0": "here", "ExpBackward0": "predicted", "SinBackward0": "not asked for",
    }  # fmt: skip
    assert [n["id"] for n in nodes] == list(range(1, len(nodes) + 1))
    d.cont()


HOOKED = """\
def hooked(end):
    found, seen = [], [end.grad_fn]
    for n in seen:
        seen += [m for m, _ in n.next_functions if m is not None and m not in seen]
    hooks = [n.register_prehook(lambda g, n=n: found.append(
        (n.name().rpartition('::')[2], g[0].norm().item()))) for n in seen]
    end.backward(retain_graph=True)
    for h in hooks: h.remove()
    return found
"""


def test_a_recorded_backward_is_what_plain_hooks_see(d: Debuggee, here: Path) -> None:
    d.type(NET)
    d.type(HOOKED)
    switch(d, True)
    wanted = ast.literal_eval(d.value("hooked(loss)", full=True))  # at a prompt nothing is kept
    assert "none was recorded" in do(d, "pass p.csv").message
    d.type("net.zero_grad()")
    d.type("loss.backward(retain_graph=True)")
    switch(d, False)
    assert do(d, "pass p.json").of == "backward 1"
    found = json.loads((here / "p.json").read_text())
    assert found["outcome"] == "finished"
    rows = found["nodes"]
    assert [(row["name"], row["norm"]) for row in rows] == wanted
    assert [row["order"] for row in rows] == list(range(1, len(rows) + 1))
    begins = [row["begin"] for row in rows]
    assert begins == sorted(begins)
    assert all(row["seconds"] >= 0 for row in rows)
    assert all(a["begin"] + a["seconds"] <= b["begin"] for a, b in pairwise(rows))
    d.type("loss.backward()")
    do(d, "! pass p.json")
    assert json.loads((here / "p.json").read_text())["of"] == "backward 1"  # off is off


def test_recording_changes_nothing(d: Debuggee) -> None:
    run = "def run():\n net.zero_grad(); net(x).square().mean().backward()\n" \
          " return [p.grad.double().sum().item() for p in net.parameters()]"  # fmt: skip
    d.type(NET)
    d.type(run)
    d.type("first = run()")
    switch(d, True)
    d.type("second = run()")
    switch(d, False)
    assert d.value("first == second") == "True"
    assert d.value("torch.autograd._engine_run_backward.__code__.co_filename[-8:]") == "'graph.py'"


def test_a_backward_that_raises_is_kept_with_its_end(d: Debuggee, here: Path) -> None:
    d.type("a = torch.ones(2, requires_grad=True); b = a.exp(); c = b.sum(); b.add_(1)")
    switch(d, True)
    d.type("c.backward()")
    switch(d, False)
    do(d, "pass p.json")
    found = json.loads((here / "p.json").read_text())
    assert found["outcome"] == "raised RuntimeError"
    assert [(n["name"], bool(n["order"])) for n in found["nodes"]] == [
        ("SumBackward0", True), ("ExpBackward0", True), ("AccumulateGrad", False),
    ]  # fmt: skip


def test_time_leads_from_each_op_to_its_nodes(d: Debuggee, here: Path) -> None:
    switch(d, True)
    d.type(NET)
    d.type("loss.backward()")
    switch(d, False)
    assert do(d, "time t.json").note == ""
    do(d, "ops o.json")
    do(d, "pass p.json")
    events = json.loads((here / "t.json").read_text())["traceEvents"]
    ops = json.loads((here / "o.json").read_text())["ops"]
    nodes = json.loads((here / "p.json").read_text())["nodes"]
    made = {n["sequence"]: n["name"] for n in nodes if n["sequence"] is not None}
    wanted = Counter(
        (op["name"], made[number])
        for op in ops
        if op["sequence"]
        for number in range(*op["sequence"])
        if number in made
    )
    slices = {(e["tid"], e["ts"]): e["name"] for e in events if e["ph"] == "X"}
    ends = {e["id"]: slices[e["tid"], e["ts"]] for e in events if e["ph"] == "f"}
    starts = {e["id"]: slices[e["tid"], e["ts"]] for e in events if e["ph"] == "s"}
    assert Counter((starts[flow], ends[flow]) for flow in starts) == wanted
    assert wanted["linear", "AddmmBackward0"] == 4
    forward = max(e["ts"] for e in events if e.get("cat") == "forward")
    assert all(e["ts"] > forward for e in events if e.get("cat") == "backward")


def test_rows_that_nobody_fetches_are_forgotten(d: Debuggee) -> None:
    d.type("a = torch.ones(2, requires_grad=True); b = a.exp().sum()")
    takes = [d.look(protocol.Take(what="graph", expression="b")) for _ in range(3)]
    parts = [d.look(protocol.TakeRows(serial=t.serial, first=0, count=2)) for t in takes]
    assert isinstance(parts[0], model.Error)
    assert [len(part.rows) for part in parts[1:]] == [2, 2]
    last = protocol.TakeRows(serial=takes[2].serial, first=2, count=9)
    assert len(d.look(last).rows) == 1
    assert "no longer kept" in d.look(last).message


LOCALS = """\
import weakref
def run():
    x = torch.ones(4, requires_grad=True)
    h = x * 2
    y = h.sum()
    y.backward()
    gone = weakref.ref(y), weakref.ref(h)
    del y, h
    return [each() is None for each in gone]
"""


def test_what_the_program_deletes_is_gone_while_backwards_are_kept(d: Debuggee) -> None:
    d.type(LOCALS)
    d.look(protocol.RecordPasses())
    d.type("freed = run()")
    assert d.value("freed") == "[True, True]"
