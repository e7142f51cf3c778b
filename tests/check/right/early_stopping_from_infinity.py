"""Early stopping: the best loss starts at infinity, the table of results with NaN."""

import copy
import math

import torch
from torch import nn


class EarlyStopping:
    def __init__(self, patience):
        self.patience = patience
        self.best = torch.tensor(float("inf"))
        self.bad = 0
        self.state = None

    def __call__(self, value, model):
        if value < self.best:
            self.best, self.bad = value.detach().clone(), 0
            self.state = copy.deepcopy(model.state_dict())
        else:
            self.bad += 1
        return self.bad >= self.patience


torch.manual_seed(0)
x, noise = torch.randn(60, 10), torch.randn(60, 1)
y = x[:, :1] + 0.5 * noise
train, valid = slice(0, 40), slice(40, 60)
model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
stopper = EarlyStopping(patience=8)
table = torch.full((200, 2), math.nan)
smallest = float("inf")
for epoch in range(200):
    model.train()
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x[train]), y[train])
    loss.backward()
    optimizer.step()
    smallest = min(smallest, loss.item())
    model.eval()
    with torch.no_grad():
        value = nn.functional.mse_loss(model(x[valid]), y[valid])
    table[epoch] = torch.stack([loss.detach(), value])
    if stopper(value, model):
        break

model.load_state_dict(stopper.state)
measured = table[~table.isnan().any(1)]
print(f"stopped at epoch {epoch}, best {stopper.best:.4f}, {len(measured)} rows measured")
assert len(measured) == epoch + 1 < 200 and torch.isfinite(stopper.best)
