"""Tuning, devices, and moving: measured on copies, and clear about what is not here."""

from __future__ import annotations

import signal

import pytest
from debuggee import Debuggee

from gradrepl import model, protocol
from gradrepl import protocol as p
from gradrepl_loader_lab.records import TuneLoader, Tuning

LOADER = """
import time
from torch.utils.data import DataLoader, Dataset
class Slow(Dataset):
    def __len__(self):
        return 64
    def __getitem__(self, index):
        time.sleep(0.02)
        return torch.ones(3) * index, index
loader = DataLoader(Slow(), batch_size=2, shuffle=True)
"""
NO_CUDA = pytest.mark.skipif("__import__('torch').cuda.is_available()", reason="CUDA is here")


def test_workers_that_wait_are_worth_it(d: Debuggee) -> None:
    d.type(LOADER)
    found = d.look(TuneLoader(expression="loader", seconds=0.6, workers=(0, 2)))
    assert isinstance(found, Tuning), found
    none, two = found.rows
    assert two.samples_per_second > none.samples_per_second
    assert 20 < none.samples_per_second < 51  # 50 a second at most, as each sleeps for 20 ms
    assert found.best == 2
    assert found.verdict.startswith("num_workers=2 gives")


def test_a_dataset_that_cannot_be_measured(d: Debuggee) -> None:
    d.type(LOADER.replace("time.sleep(0.02)", "raise ValueError(index)"))
    found = d.look(TuneLoader(expression="loader", seconds=0.2, workers=(0, 1)))
    assert isinstance(found, Tuning), found
    assert [bool(row.failed) for row in found.rows] == [True, True]
    assert found.verdict == "nothing could be measured."


def test_tuning_can_be_stopped(d: Debuggee) -> None:
    d.type(LOADER)
    number = d.send(TuneLoader(expression="loader", seconds=1, workers=(0, 1, 2)))
    while True:
        message = d.link.receive()
        assert message is not None
        if isinstance(message, protocol.Tell):  # one is measured
            d.process.send_signal(signal.SIGINT)
        if isinstance(message, protocol.Answer) and message.id == number:
            break
    assert isinstance(message.record, Tuning), message.record
    assert message.record.stopped
    assert len(message.record.rows) < 3
    assert d.value("5") == "5"


def devices(d: Debuggee, name: str = "") -> model.Devices:
    found = d.look(p.AskDevices(device=name))
    assert isinstance(found, model.Devices), found
    return found


def test_devices(d: Debuggee) -> None:
    rows = devices(d).rows
    assert rows[0].name == "cpu"
    assert rows[0].total is not None
    assert devices(d, "cpu").chosen == "cpu"
    error = d.look(p.AskDevices(device="toaster"))
    assert (error.message, error.hint) == (
        "'toaster' is not a device.", "One of cpu, cuda, cuda:1, auto.",
    )  # fmt: skip


@NO_CUDA
def test_without_cuda_it_is_said_why(d: Debuggee) -> None:
    (row,) = [row for row in devices(d).rows if row.name == "cuda"]
    assert not row.available
    assert row.why
    error = d.look(p.MoveTo(device="cuda", expression="torch.ones(3)"))
    assert isinstance(error, model.Error)
    assert error.message.startswith("there is no cuda here: ")
    assert devices(d, "auto").chosen == "cpu"


def test_moving_a_batch_and_a_module(d: Debuggee) -> None:
    d.type(
        "batch = {'x': torch.ones(4, 2), 'pair': (torch.zeros(3), 'text')}\n"
        "net = torch.nn.Linear(3, 2)"
    )
    found = d.look(p.MoveTo(device="cpu", expression="batch"))
    assert (found.tensors, found.moved, found.nbytes) == (2, 0, 0)
    found = d.look(p.MoveTo(device="meta", expression="batch"))
    assert (found.tensors, found.moved, found.nbytes) == (2, 2, 44)
    assert d.value("(_['x'].device.type, _['pair'][0].device.type, _['pair'][1])") == (
        "('meta', 'meta', 'text')"
    )
    assert d.value("batch['x'].device.type") == "'cpu'"
    found = d.look(p.MoveTo(device="meta", expression="net"))
    assert found.moved == 2
    assert d.value("net.weight.device.type") == "'meta'"
    error = d.look(p.MoveTo(device="cpu", expression="5"))
    assert error.message == "'5' is a int with no tensor in it."


@pytest.mark.cuda
@pytest.mark.skipif("not __import__('torch').cuda.is_available()", reason="no CUDA here")
def test_moving_to_a_gpu(d: Debuggee) -> None:
    d.type("batch = [torch.ones(1000, 1000), torch.ones(10).pin_memory()]")
    found = d.look(p.MoveTo(device="cuda", expression="batch"))
    assert (found.device, found.moved, found.pinned) == ("cuda:0", 2, 1)
    assert found.seconds > 0
    assert d.value("_[0].device.type") == "'cuda'"
