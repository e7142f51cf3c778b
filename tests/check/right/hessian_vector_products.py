"""The largest eigenvalue of a loss's Hessian: power iteration by double backward."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
x, y = torch.randn(64, 3), torch.randn(64, 1)
parameters = list(model.parameters())

optimizer = torch.optim.SGD(parameters, lr=0.1)
for _ in range(50):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()

loss = nn.functional.mse_loss(model(x), y)
gradients = torch.autograd.grad(loss, parameters, create_graph=True)
flat = torch.cat([g.flatten() for g in gradients])


def hvp(v):
    products = torch.autograd.grad(flat @ v, parameters, retain_graph=True)
    return torch.cat([p.flatten() for p in products])


v = torch.randn_like(flat.detach())
v /= v.norm()
for i in range(60):
    hv = hvp(v)
    eigenvalue = (v @ hv).item()
    v = hv / hv.norm()

hessian = torch.stack([hvp(e) for e in torch.eye(flat.numel())])
exact = torch.linalg.eigvalsh((hessian + hessian.T) / 2)
print(f"power iteration {eigenvalue:.4f}, exact {exact.abs().max():.4f}")
assert abs(abs(eigenvalue) - exact.abs().max().item()) < 0.05 * exact.abs().max().item()
