"""Lazy layers, materialized by a dry run before the optimizer takes the parameters."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.LazyConv1d(8, kernel_size=3, padding=1),
    nn.LazyBatchNorm1d(),
    nn.ReLU(),
    nn.Flatten(),
    nn.LazyLinear(16),
    nn.ReLU(),
    nn.LazyLinear(3),
)


def batch(n, length=20):
    y = torch.randint(3, (n,))
    t = torch.arange(length)
    wave = torch.sin(t * (0.4 + 0.5 * y.unsqueeze(1)) + 6 * torch.rand(n, 1))
    return (wave + 0.2 * torch.randn(n, length)).unsqueeze(1), y


assert any(isinstance(p, nn.UninitializedParameter) for p in model.parameters())
model.eval()  # the dry run is not to count in BatchNorm
with torch.no_grad():
    model(batch(2)[0])
model.train()
assert not any(isinstance(p, nn.UninitializedParameter) for p in model.parameters())

optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
for step in range(60):
    x, y = batch(32)
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    x, y = batch(300)
    accuracy = (model(x).argmax(1) == y).float().mean().item()
print(f"{sum(p.numel() for p in model.parameters())} parameters, accuracy {accuracy:.3f}")
assert accuracy > 0.85
