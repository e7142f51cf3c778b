"""An own Function that saves its output, differentiable twice, in a smoothness penalty."""

import torch
from torch import nn


class Sigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = 1 / (1 + torch.exp(-x))
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y * (1 - y)


class Layer(nn.Module):
    def forward(self, x):
        return Sigmoid.apply(x)


x = torch.randn(5, dtype=torch.double, requires_grad=True)
assert torch.autograd.gradcheck(Sigmoid.apply, x)
assert torch.autograd.gradgradcheck(Sigmoid.apply, x)

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(1, 16), Layer(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
grid = torch.linspace(-2, 2, 64).unsqueeze(1)
target = (grid > 0).float() + 0.1 * torch.randn_like(grid)
for step in range(150):
    points = grid.clone().requires_grad_()
    prediction = model(points)
    (slope,) = torch.autograd.grad(prediction.sum(), points, create_graph=True)
    loss = nn.functional.mse_loss(prediction, target) + 0.01 * slope.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

print(f"loss {loss.item():.4f}, steepest {slope.abs().max().item():.2f}")
assert loss.item() < 0.12
