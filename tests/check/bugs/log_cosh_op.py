from typing import Any, Tuple
import math
import torch
from torch import nn, Tensor


class LogCosh(torch.autograd.Function):
    """log(cosh(beta x)), stable for large arguments."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, beta: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.beta = beta
        a = (beta * x).abs()
        return a + torch.log1p(torch.exp(-2 * a)) - math.log(2.0)

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> Tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grad_out * torch.tanh(ctx.beta * x), None


class RobustFit(nn.Module):
    def __init__(self, degree: int):
        super().__init__()
        self.coef = nn.Parameter(torch.zeros(degree + 1))

    def forward(self, t: Tensor) -> Tensor:
        powers = torch.stack([t ** k for k in range(len(self.coef))], dim=-1)
        return powers @ self.coef


torch.manual_seed(1)
t = torch.linspace(-1, 1, 50)
y = 1 - 2 * t ** 2 + 0.05 * torch.randn(50)
y[::11] += 4
fit = RobustFit(3)
opt = torch.optim.SGD(fit.parameters(), lr=0.1)
for it in range(8):
    loss = LogCosh.apply(fit(t) - y, 4.0).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(it, loss.item())
