"""MAML with torch.func: grad inside of grad, vmap over tasks."""

import torch
from torch import nn
from torch.func import functional_call, grad_and_value, vmap
from torch.func import grad as func_grad

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)


def loss_of(weights, x, y):
    return nn.functional.mse_loss(functional_call(model, weights, (x,)), y)


def after_adaptation(weights, support_x, support_y, query_x, query_y):
    gradients = func_grad(loss_of)(weights, support_x, support_y)
    fast = {k: weights[k] - 0.1 * gradients[k] for k in weights}
    return loss_of(fast, query_x, query_y)


def meta_loss(weights, *tasks):
    return vmap(after_adaptation, in_dims=(None, 0, 0, 0, 0))(weights, *tasks).mean()


curve = []
for step in range(60):
    direction = torch.randn(8, 2, 1)
    direction = direction / direction.norm(dim=1, keepdim=True)
    sx, qx = torch.randn(8, 10, 2), torch.randn(8, 10, 2)
    weights = {k: p.detach() for k, p in model.named_parameters()}
    gradients, loss = grad_and_value(meta_loss)(weights, sx, sx @ direction, qx, qx @ direction)
    for name, p in model.named_parameters():
        p.grad = gradients[name]
    optimizer.step()
    curve.append(loss.item())

print(f"{curve[0]:.3f} -> {curve[-1]:.3f}")
assert sum(curve[-5:]) / 5 < 0.8 * sum(curve[:5]) / 5
