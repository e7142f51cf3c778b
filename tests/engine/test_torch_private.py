"""A private part that a torch lacks has something in its place, and a sentence of what is lost."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from gradrepl.engine import torch_private

PARTS = list(torch_private.used)


def owner_of(path: str) -> tuple[Any, str]:
    *_, name = path.split(".")
    module, *between = torch_private._split(path)
    for each in between[:-1]:
        module = getattr(module, each)
    return module, name


LATER = "torch._C._autograd.SavedTensor.unpack"
"""What torch has since 2.12, or 2.11."""


def test_the_torch_of_the_tests_has_all_that_is_used() -> None:
    old = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 12)
    later = [LATER] if old else []
    assert [each[0] for each in torch_private.missing] == later


def test_no_part_is_named_twice() -> None:
    assert len(set(PARTS)) == len(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_told_and_replaced(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name = owner_of(part)
    kept = dict(vars(torch_private))
    try:
        with monkeypatch.context() as without:
            if hasattr(owner, name):
                without.setattr(owner, name, None)
            module = importlib.reload(torch_private)
        (missing,) = [each for each in module.missing if each.part == part]
        assert missing.lost.endswith(".")
        with module.DisableTorchFunction(), module.disable_dispatch_modes():
            module.running_node()
            module.saved_hooks(True)
        assert isinstance(module.running_backward(), int)
        assert isinstance(module.modes(), int)
        assert isinstance(module.sequence_number(), int)
        module.set_grad_enabled(torch.is_grad_enabled())
        assert not module.in_functorch(torch.zeros(2))
        assert module.has_overlap(torch.zeros(2)) in (0, 2)
        (norm,) = module.norms([torch.tensor([3.0, -4.0])], float("inf"))
        assert float(norm) == 4
    finally:
        vars(torch_private).update(kept)
