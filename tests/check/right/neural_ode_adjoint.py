"""A neural ODE: Euler by hand with the adjoint method in an own Function."""

import torch
from torch import nn

STEPS, DT = 10, 0.1


class Dynamics(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, z):
        return self.net(z)


class Solve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dynamics, z, *parameters):
        path = [z]
        with torch.no_grad():
            for _ in range(STEPS):
                z = z + DT * dynamics(z)
                path.append(z)
        ctx.dynamics = dynamics
        ctx.save_for_backward(*path[:-1], *parameters)
        return z

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, adjoint):
        path, parameters = ctx.saved_tensors[:STEPS], ctx.saved_tensors[STEPS:]
        total = [torch.zeros_like(p) for p in parameters]
        for z in reversed(path):
            with torch.enable_grad():
                z = z.detach().requires_grad_(True)
                f = ctx.dynamics(z)
            gz, *gp = torch.autograd.grad(f, (z, *parameters), adjoint)
            for t, g in zip(total, gp, strict=True):
                t.add_(g, alpha=DT)
            adjoint = adjoint + DT * gz
        return None, adjoint, *total


torch.manual_seed(0)
dynamics = Dynamics()
parameters = tuple(dynamics.parameters())
optimizer = torch.optim.Adam(parameters, lr=1e-2)
rotation = torch.tensor([[0.5403, -0.8415], [0.8415, 0.5403]])
losses = []
for step in range(120):
    z = torch.randn(32, 2)
    loss = nn.functional.mse_loss(Solve.apply(dynamics, z, *parameters), z @ rotation.t())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

# The same gradient as by plain backpropagation
z = torch.randn(8, 2)
by_adjoint = torch.autograd.grad(Solve.apply(dynamics, z, *parameters).sum(), parameters)
out = z
for _ in range(STEPS):
    out = out + DT * dynamics(out)
by_backprop = torch.autograd.grad(out.sum(), parameters)
assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(by_adjoint, by_backprop, strict=True))
print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.2 * losses[0]
