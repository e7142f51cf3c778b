"""Tests of a layer in classes, as a runner would find them, and a small runner at the end."""

import torch
from torch import nn


class Scale(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        if x.shape[-1] != len(self.log_scale):
            raise ValueError(f"width {x.shape[-1]}, not {len(self.log_scale)}")
        return x * self.log_scale.exp()


class TestScale:
    def setup_method(self):
        torch.manual_seed(0)
        self.layer = Scale(4)

    def test_is_the_identity_at_first(self):
        x = torch.randn(3, 4)
        assert torch.equal(self.layer(x), x)

    def test_gradient(self):
        layer = self.layer.double()
        x = torch.randn(3, 4, dtype=torch.double, requires_grad=True)
        assert torch.autograd.gradcheck(layer, (x,))

    def test_wrong_width(self):
        try:
            self.layer(torch.randn(3, 5))
        except ValueError as error:
            assert "width 5" in str(error)
        else:
            raise AssertionError("a wrong width should be refused")

    def test_unused_input_has_no_gradient(self):
        x, z = torch.randn(3, 4), torch.randn(3, 4, requires_grad=True)
        self.layer(x).sum().backward()
        assert z.grad is None and self.layer.log_scale.grad is not None

    def test_learns(self):
        optimizer = torch.optim.Adam(self.layer.parameters(), lr=0.1)
        scale = torch.tensor([0.5, 1.0, 2.0, 4.0])
        for _ in range(60):
            x = torch.randn(32, 4)
            optimizer.zero_grad()
            nn.functional.mse_loss(self.layer(x), x * scale).backward()
            optimizer.step()
        assert torch.allclose(self.layer.log_scale.exp(), scale, rtol=0.1)


if __name__ == "__main__":
    for name in sorted(n for n in dir(TestScale) if n.startswith("test_")):
        case = TestScale()
        case.setup_method()
        getattr(case, name)()
        print("passed", name)
