"""A mixture of experts with a top-1 router and a loss for balance."""

import torch
import torch.nn.functional as F
from torch import nn


class MixtureOfExperts(nn.Module):
    def __init__(self, width, experts=6):
        super().__init__()
        self.router = nn.Linear(width, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, 1)) for _ in range(experts)
        )

    def forward(self, x):
        gates = F.softmax(self.router(x), dim=-1)
        weight, chosen = gates.max(dim=-1)
        out = x.new_zeros(len(x), 1)
        for i, expert in enumerate(self.experts):
            tokens = (chosen == i).nonzero(as_tuple=True)[0]
            if tokens.numel() == 0:
                continue
            out = out.index_add(0, tokens, weight[tokens].unsqueeze(1) * expert(x[tokens]))
        load = F.one_hot(chosen, len(self.experts)).float().mean(0)
        balance = len(self.experts) * (load * gates.mean(0)).sum()
        return out, balance


torch.manual_seed(0)
model = MixtureOfExperts(3)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(256, 3)
y = x.abs().sum(1, keepdim=True) * x[:, :1].sign()
losses = []
for step in range(120):
    batch = torch.randint(256, (16,))
    prediction, balance = model(x[batch])
    loss = F.mse_loss(prediction, y[batch]) + 0.01 * balance
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

first, last = sum(losses[:10]) / 10, sum(losses[-10:]) / 10
print(f"{first:.3f} -> {last:.3f}")
assert last < 0.6 * first
