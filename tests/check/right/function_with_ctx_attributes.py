"""An own Function with numbers and shapes on ctx: a soft threshold in a sparse coder (ISTA)."""

import torch
from torch import nn


class SoftThreshold(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, theta):
        ctx.theta_shape = theta.shape
        ctx.width = x.shape[-1]
        kept = x.abs() > theta
        ctx.save_for_backward(kept, x.sign())
        return torch.where(kept, x - theta * x.sign(), torch.zeros_like(x))

    @staticmethod
    def backward(ctx, grad):
        kept, sign = ctx.saved_tensors
        grad_x = grad * kept
        grad_theta = None
        if ctx.needs_input_grad[1]:
            grad_theta = (-sign * grad_x).reshape(-1, ctx.width).sum(0).sum_to_size(ctx.theta_shape)
        return grad_x, grad_theta


class ISTA(nn.Module):
    def __init__(self, signal, atoms, iterations=4):
        super().__init__()
        self.dictionary = nn.Parameter(torch.randn(signal, atoms) / signal**0.5)
        self.theta = nn.Parameter(torch.full((1,), 0.05))
        self.iterations = iterations

    def forward(self, x):
        code = x.new_zeros(len(x), self.dictionary.shape[1])
        for _ in range(self.iterations):
            residual = x - code @ self.dictionary.t()
            code = SoftThreshold.apply(code + 0.2 * residual @ self.dictionary, self.theta)
        return code @ self.dictionary.t(), code


torch.manual_seed(0)
probe = torch.randn(3, 4, dtype=torch.double, requires_grad=True)
threshold = torch.full((1,), 0.3, dtype=torch.double, requires_grad=True)
assert torch.autograd.gradcheck(SoftThreshold.apply, (probe, threshold))

model = ISTA(8, 12)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
truth = torch.randn(8, 12)
for step in range(120):
    x = (torch.randn(64, 12) * (torch.rand(64, 12) < 0.2)) @ truth.t()
    reconstruction, code = model(x)
    loss = nn.functional.mse_loss(reconstruction, x) + 0.01 * code.abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 30 == 0:
        print(f"{step:3d} loss {loss.item():.3f}")
assert loss.item() < 0.7
