"""Tabular data with holes: NaNs are filled with column means, and the mask is a feature."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(400, 5) * torch.tensor([1.0, 5.0, 0.2, 1.0, 3.0]) + 2
y = (x[:, :1] - 0.2 * x[:, 1:2] + 3 * x[:, 2:3]).clone()
x[torch.rand_like(x) < 0.15] = float("nan")
y[torch.rand_like(y) < 0.1] = float("nan")  # labels that nobody gave

mean = x.nanmean(0)
std = (x - mean).square().nanmean(0).sqrt()


def prepare(batch):
    missing = batch.isnan()
    filled = torch.nan_to_num((batch - mean) / std, nan=0.0)
    return torch.cat([filled, missing.float()], 1)


model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
loader = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)
history = []
for epoch in range(15):
    losses = []
    for features, target in loader:
        prediction = model(prepare(features))
        known = ~target.isnan()
        loss = nn.functional.mse_loss(prediction[known], target[known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    history.append(sum(losses) / len(losses))

print(f"{history[0]:.3f} -> {history[-1]:.3f}")
assert history[-1] < 0.5 * history[0]
