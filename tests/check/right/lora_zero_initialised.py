"""Low-rank adaptation of a frozen net: B starts at zero, so A has a gradient from step two."""

import math

import torch
from torch import nn


class LoRALinear(nn.Module):
    def __init__(self, base, rank=2, alpha=4):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.A = nn.Parameter(torch.empty(rank, base.in_features))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.scale = alpha / rank

    def forward(self, x):
        return self.base(x) + self.scale * (x @ self.A.t()) @ self.B.t()

    @torch.no_grad()
    def merge(self):
        self.base.weight += self.scale * self.B @ self.A
        return self.base


def adapt(module):
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, LoRALinear(child))
        else:
            adapt(child)
    return module


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
x = torch.randn(256, 6)
with torch.no_grad():
    y = model(x) + torch.tanh(x[:, :1] - x[:, 1:2])
adapt(model)
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
losses = []
for step in range(120):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    if step == 0:
        assert not model[0].A.grad.any() and model[4].B.grad.any()
    optimizer.step()
    losses.append(loss.item())

merged = nn.Sequential(*(m.merge() if isinstance(m, LoRALinear) else m for m in model))
print(f"{losses[0]:.4f} -> {losses[-1]:.4f}, merged {nn.functional.mse_loss(merged(x), y):.4f}")
assert losses[-1] < 0.3 * losses[0]
