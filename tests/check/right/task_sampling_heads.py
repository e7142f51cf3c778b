"""Multi-task learning: a task is drawn per step, each has a head of its own."""

import torch
from torch import nn


class MultiTask(nn.Module):
    def __init__(self, tasks):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(4, 32), nn.Tanh())
        self.heads = nn.ModuleDict({name: nn.Linear(32, 1) for name in tasks})

    def forward(self, x, task):
        return self.heads[task](self.trunk(x))


tasks = {
    "sum": lambda x: x.sum(1, keepdim=True),
    "first": lambda x: x[:, :1],
    "product": lambda x: x[:, :1] * x[:, 1:2],
}
torch.manual_seed(0)
model = MultiTask(tasks)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
names = list(tasks)
weights = torch.tensor([0.2, 0.2, 0.6])
for step in range(200):
    task = names[torch.multinomial(weights, 1).item()]
    x = torch.randn(32, 4)
    loss = nn.functional.mse_loss(model(x, task), tasks[task](x))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()

with torch.no_grad():
    x = torch.randn(500, 4)
    errors = {t: nn.functional.mse_loss(model(x, t), tasks[t](x)).item() for t in names}
print({t: round(e, 3) for t, e in errors.items()})
assert all(e < 0.6 for e in errors.values())
