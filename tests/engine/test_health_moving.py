"""Copies to an accelerator in the time of a step; 'meta' stands for the device that is not here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from gradrepl.engine.health import clock as clocks
from gradrepl.model import HealthLimits


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[clocks.Clock]:
    monkeypatch.setattr(clocks, "accelerated", lambda: True)
    made = clocks.Clock(lambda optimizer: None)
    made.install()
    made.passed(0.0, 0.0)  # the first backward: the thread is known, and a step begins
    yield made
    made.remove()
    assert "to" not in vars(torch.Tensor)
    assert "cuda" not in vars(torch.Tensor)


def test_only_copies_to_the_device_count(
    clock: clocks.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr(clocks, "now", lambda: float(next(ticks)))
    x = torch.ones(3)
    x.to("meta")  # 1: its own two readings are one second apart
    x.to(torch.float64)
    x.to("meta").to("meta")  # 1
    clock.passed(0.0, 0.0)
    found = clock.timing(HealthLimits())
    assert found is not None
    assert found.to_device == 2.0


def test_what_is_returned_and_who_overrides_it_is_as_before(clock: clocks.Clock) -> None:
    class Mine(torch.Tensor):
        def to(self, *args: object, **kwargs: object) -> str:  # type: ignore[override]
            return "mine"

    x = torch.arange(3.0, requires_grad=True)
    assert x.to(torch.float32) is x
    assert x.to("meta").is_meta
    assert x.double().to(torch.float32).grad_fn is not None
    assert x.detach().as_subclass(Mine).to("meta") == "mine"
    with pytest.raises(RuntimeError, match="nosuch"):
        x.to("nosuch")


def test_other_threads_are_not_counted(clock: clocks.Clock) -> None:
    def move() -> None:
        torch.ones(3).to("meta")
        time.sleep(0.01)

    other = threading.Thread(target=move)
    other.start()
    other.join()
    clock.passed(0.0, 0.0)
    found = clock.timing(HealthLimits())
    assert found is not None
    assert found.to_device == 0.0


def test_a_users_own_stand_in_is_handed_on_to(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def to(tensor: torch.Tensor, *args: object, **kwargs: object) -> torch.Tensor:
        seen.append(args)
        return torch._C.TensorBase.to(tensor, *args, **kwargs)  # type: ignore[no-any-return, arg-type]

    monkeypatch.setattr(clocks, "accelerated", lambda: True)
    monkeypatch.setattr(torch.Tensor, "to", to, raising=False)
    made = clocks.Clock(lambda optimizer: None)
    made.install()
    made.passed(0.0, 0.0)
    torch.ones(2).to("meta")
    made.remove()
    assert seen == [("meta",)]
    assert vars(torch.Tensor)["to"] is to


def test_without_an_accelerator_nothing_is_in_place() -> None:
    made = clocks.Clock(lambda optimizer: None)
    made.install()
    made.passed(0.0, 0.0)
    made.passed(0.0, 0.0)
    if not torch.cuda.is_initialized():
        assert "to" not in vars(torch.Tensor)
        found = made.timing(HealthLimits())
        assert found is not None
        assert found.to_device is None
    made.remove()
