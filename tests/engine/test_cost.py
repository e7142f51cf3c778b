"""What looking costs is told, with what it is for, and is none of a stop's time."""

from __future__ import annotations

from gradrepl import draw, model, protocol
from gradrepl.commands.talk import Talk
from gradrepl.draw import Look
from gradrepl.engine.stopping import cost
from gradrepl.engine.stopping.breakpoints import Armed
from gradrepl.launch import Options
from gradrepl.tui.panels.bars import place_of

AT_ONCE = """\
from gradrepl.engine.stopping import cost
cost.FIRST = cost.SHARE = cost.AGAIN = 0.0
"""
AS_BEFORE = "cost.FIRST, cost.SHARE, cost.AGAIN = 5.0, 0.5, 8.0"
LOOP = """\
for _ in range(9):
    (torch.ones(2, requires_grad=True) * 2).sum().backward()
"""


def told(d):
    return [each for each in d.told if isinstance(each, model.Cost)]


def test_it_is_told_where_it_is_much(d):
    d.type(AT_ONCE)
    d.break_at("nan")
    d.look(protocol.WatchHealth(grads=True))
    d.type(LOOP)
    d.type(AS_BEFORE)
    last = told(d)[-1]
    assert [what for what, _ in last.parts] == ["ops (b nan)", "nodes (b nan)", "gradients"]
    assert last.steps == 9
    assert 0 < last.seconds < last.total
    assert sum(seconds for _, seconds in last.parts) <= last.seconds * 1.001


def test_nothing_is_told_of_a_short_run(d):
    d.break_at("nan")
    d.type(LOOP)
    assert told(d) == []


def test_the_time_at_a_stop_is_none_of_it(monkeypatch):
    times = iter([0.0, 10.0, 100.0, 101.0, 101.0])
    monkeypatch.setattr(cost, "clock", lambda: next(times))
    costs = cost.Costs()
    begun = cost.clock()  # an op begins, and stops
    costs.restart()
    costs.around(begun, 1.0, 1)
    assert costs.ops == 0.0
    assert costs.record(Armed()) == model.Cost(seconds=0.0, total=1.0)


def test_of_many_nodes_some_are_timed_for_all(monkeypatch):
    times = iter(map(float, range(100)))
    monkeypatch.setattr(cost, "clock", lambda: next(times))
    costs = cost.Costs()
    every, timed = costs.timed(lambda grads: grads + 1, 1000)
    assert (timed(1), every, costs.nodes) == (2, 16, 16.0)
    every, timed = costs.timed(lambda out, into: None, 10)
    assert (timed(1, 2), every, costs.nodes) == (None, 1, 17.0)


def test_the_header_says_it_while_the_program_runs():
    record = model.Cost(seconds=0.28, total=0.3, steps=9, parts=(("ops (b nan)", 0.28),))
    text = draw.text(record, Look())
    assert text == "Looking takes 280 ms of 300 ms a step: ops (b nan) 280 ms.\n"
    talk = Talk(Options(), lambda record: None)
    talk.ready = protocol.Ready(torch="2", device="cpu")
    talk.stop = model.Stop(phase="forward", reason="start", site=None)
    assert place_of(talk) == ["", "cpu"]
    talk.cost = record
    assert place_of(talk) == ["looking 93%", "cpu"]
