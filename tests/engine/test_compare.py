"""How far two tensors are apart, beside what torch itself says."""

from __future__ import annotations

import pytest
import torch

from gradrepl import model, protocol
from gradrepl.engine.tensor.figures import compare


def of(a: torch.Tensor, b: torch.Tensor) -> model.Comparison:
    return compare(a, b, ("a", "b"))


def test_two_that_are_equal() -> None:
    a = torch.tensor([1.0, float("nan"), float("inf")])
    found = of(a, a.clone())
    assert (found.equal, found.different, found.close, found.max_difference) == (True, 0, True, 0)
    assert of(torch.empty(0, 3), torch.empty(0, 3)).equal
    assert of(torch.tensor(True), torch.tensor(True)).equal


def test_where_they_differ_most() -> None:
    a = torch.zeros(3, 4)
    b = a.clone()
    b[1, 2], b[2, 0] = -5.0, 3.0
    found = of(a, b)
    assert (found.different, found.max_difference, found.index) == (2, 5.0, (1, 2))
    assert found.at == ("0", "-5")
    assert found.norm == pytest.approx(34**0.5)
    assert found.relative == 1
    assert found.cosine is None
    assert not found.close


def test_a_nan_in_one_is_the_largest_difference() -> None:
    a, b = torch.tensor([1.0, 2.0, 9.0]), torch.tensor([1.0, float("nan"), 0.0])
    found = of(a, b)
    assert (found.different, found.index, found.at) == (2, (1,), ("2", "nan"))
    assert found.max_difference != found.max_difference


@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (3000, 700), (2, 1100, 1000), (2100000,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.complex64, torch.bfloat16])
def test_beside_torch(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    torch.manual_seed(len(shape))
    a = (torch.randn(shape) * 9).to(dtype)
    b = a + (torch.rand(shape) < 0.3).to(dtype)
    found = of(a, b)
    wide = torch.complex128 if dtype.is_complex else torch.float64
    x, y = a.to(wide), b.to(wide)
    gap = (x - y).abs()
    assert found.different == int((a != b).sum())
    assert found.equal == torch.equal(a, b)
    assert found.close == torch.allclose(x, y)
    assert found.max_difference == gap.max()
    assert gap[found.index] == gap.max()
    assert found.norm == pytest.approx(torch.linalg.vector_norm(x - y).item())
    inner = (x * y.conj()).sum().real / (x.norm() * y.norm())
    assert found.cosine == pytest.approx(inner.item())


def test_at_a_prompt(d) -> None:  # type: ignore[no-untyped-def]
    d.type("x = torch.ones(3, requires_grad=True); y = x.detach().double() * 2; z = torch.ones(2)")
    state = d.value("(torch.get_rng_state().sum().item(), x._version, y._version)")
    found = d.look(protocol.Compare(a="x", b="y"))
    assert (found.different, found.max_difference, found.relative) == (3, 1.0, 0.5)
    assert found.notes == ("dtype float32 and float64",)
    assert "only tensors of one shape" in d.look(protocol.Compare(a="x", b="z")).message
    assert "not a tensor" in d.look(protocol.Compare(a="x", b="3")).message
    sparse = d.look(protocol.Compare(a="x.detach().to_sparse()", b="x"))
    assert ".to_dense()" in sparse.hint
    assert d.value("(torch.get_rng_state().sum().item(), x._version, y._version)") == state
    assert d.value("x.grad") == "None"
