"""weight_norm, spectral_norm and an own parametrization; parametrize.cached() around each step."""

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, w):
        return w.triu() + w.triu(1).transpose(-1, -2)


torch.manual_seed(0)
model = nn.Sequential(
    parametrizations.weight_norm(nn.Linear(3, 32)),
    nn.Tanh(),
    nn.Linear(32, 32),
    nn.Tanh(),
    parametrizations.spectral_norm(nn.Linear(32, 32)),
    nn.Tanh(),
    nn.Linear(32, 1),
)
parametrize.register_parametrization(model[2], "weight", Symmetric())
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
losses = []
for step in range(100):
    x = torch.randn(64, 3)
    y = x[:, :1] * x[:, 1:2].sign()
    with parametrize.cached():
        # Two forwards share the weights of this step; the cache ends with the block.
        prediction = (model(x) + model(x + 0.01 * torch.randn_like(x))) / 2
        loss = nn.functional.mse_loss(prediction, y)
        optimizer.zero_grad()
        loss.backward()
    optimizer.step()
    losses.append(loss.item())

model.eval()
with torch.no_grad():
    w = model[2].weight
    assert torch.equal(w, w.t())
    sigma = torch.linalg.matrix_norm(model[4].weight, 2).item()
first, last = sum(losses[:10]) / 10, sum(losses[-10:]) / 10
print(f"{first:.3f} -> {last:.3f}, spectral norm {sigma:.3f}")
assert last < 0.5 * first and abs(sigma - 1) < 0.1
