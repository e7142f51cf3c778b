"""What only a GPU shows: stops in the device's threads, streams, memory, pinned batches, graphs.

``pytest -m cuda`` runs them; without a GPU all but the first are skipped.
"""

from __future__ import annotations

import pytest
from debuggee import Debuggee

from gradrepl import model
from gradrepl import protocol as p
from gradrepl_loader_lab.records import AskSynthetic

GPU = pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="no CUDA here")
TWO = pytest.mark.skipif("__import__('torch').cuda.device_count() < 2", reason="no two GPUs here")
NET = """
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).cuda()
x = torch.ones(3, 4, device="cuda")
"""


def test_a_graph_that_is_captured_is_not_stopped_in(d: Debuggee) -> None:
    d.type(
        "kept = torch.cuda.is_initialized, torch.cuda.is_current_stream_capturing\n"
        "torch.cuda.is_initialized = torch.cuda.is_current_stream_capturing = lambda: True"
    )
    before = len(d.stops())
    d.type("y = torch.ones(3) + 1\nz = y * 2", stepped=True)
    assert len(d.stops()) == before
    said = [each.message for each in d.told if isinstance(each, model.Notice)]
    assert [text.startswith("a CUDA graph is being captured") for text in said] == [True]
    d.type("torch.cuda.is_initialized, torch.cuda.is_current_stream_capturing = kept")
    d.type("y = torch.ones(3) + 1", stepped=True)
    assert len(d.stops()) == before + 1
    d.cont()


@GPU
@pytest.mark.cuda
def test_forward_and_backward_are_stepped_with_the_devices_thread_parked(d: Debuggee) -> None:
    d.type(NET)
    stops = d.walk("loss = net(x).sum(); loss.backward()")
    assert {"forward", "backward"} <= {stop.phase for stop in stops}
    backward = [stop for stop in stops if stop.phase == "backward"]
    assert len(backward) >= 6
    assert "MainThread" not in {stop.thread for stop in backward if stop.node is not None}
    want = d.value("[each.grad.norm().item() for each in net.parameters()]")
    d.type("net.zero_grad(); net(x).sum().backward()")
    assert d.value("[each.grad.norm().item() for each in net.parameters()]") == want


@GPU
@pytest.mark.cuda
def test_a_backward_typed_where_the_devices_thread_waits_is_refused(d: Debuggee) -> None:
    d.type(NET)
    d.backward("net(x).sum()")
    error = d.type("torch.ones(2, requires_grad=True).sum().backward()")
    assert isinstance(error, model.Error)
    assert "this stop holds the engine's own thread" in error.message
    d.cont()


@GPU
@TWO
@pytest.mark.cuda
def test_two_devices_arrive_one_after_the_other(d: Debuggee) -> None:
    d.type("a = torch.ones(3, device='cuda:0', requires_grad=True)\n"
           "b = torch.ones(3, device='cuda:1', requires_grad=True)")  # fmt: skip
    stops = d.walk("((a * 2).sum().cpu() + (b * 3).sum().cpu()).backward()")
    assert len({stop.thread for stop in stops if stop.phase == "backward"}) >= 2
    assert d.value("a.grad.tolist(), b.grad.tolist()") == "([2.0, 2.0, 2.0], [3.0, 3.0, 3.0])"


@GPU
@pytest.mark.cuda
def test_ops_on_another_stream(d: Debuggee) -> None:
    d.type("s = torch.cuda.Stream()")
    stops = d.walk("with torch.cuda.stream(s):\n    y = torch.ones(4, device='cuda') * 3")
    assert [stop.op.name for stop in stops if stop.op is not None][-1] in ("mul", "__mul__")
    assert d.value("y.tolist()") == "[3.0, 3.0, 3.0, 3.0]"


@GPU
@pytest.mark.cuda
def test_batches_to_the_gpu_pinned_and_not(d: Debuggee) -> None:
    d.type("from torch.utils.data import DataLoader\n"
           "loader = DataLoader(torch.rand(64, 1000), 16, num_workers=1, pin_memory=True)\n"
           "batch = next(iter(loader)); plain = torch.rand(16, 1000)")  # fmt: skip
    pinned = d.look(p.MoveTo(device="cuda", expression="batch", non_blocking=True))
    assert (pinned.moved, pinned.pinned, pinned.notes) == (1, 1, ())
    pageable = d.look(p.MoveTo(device="cuda", expression="plain", non_blocking=True))
    assert (pageable.moved, pageable.pinned) == (1, 0)
    assert "non_blocking has no effect" in pageable.notes[0]
    told = d.look(AskSynthetic(expression="loader", seconds=0.3, chosen="cuda"))
    assert told.device == "cuda:0"
    assert told.to_device > 0


@GPU
@pytest.mark.cuda
def test_a_real_graph_is_captured_while_steps_are_wanted(d: Debuggee) -> None:
    d.type("x = torch.ones(4, device='cuda'); y = x * 2; torch.cuda.synchronize()\n"
           "g = torch.cuda.CUDAGraph()")  # fmt: skip
    d.break_at("op mul")
    d.type("with torch.cuda.graph(g):\n    y = x * 3\nx.fill_(2); g.replay()")
    while d.prompt is not None and d.prompt.state != "idle":
        d.cont()
    assert any(
        each.message.startswith("a CUDA graph is being captured")
        for each in d.told
        if isinstance(each, model.Notice)
    )
    assert d.value("y.tolist()") == "[6.0, 6.0, 6.0, 6.0]"


@GPU
@pytest.mark.cuda
def test_devices_of_an_error_are_named(d: Debuggee) -> None:
    d.type(NET)
    error = d.type("net(torch.ones(3, 4))")
    assert "on cpu" in error.hint
    assert "on cuda:0" in error.hint
