"""Slot attention: the softmax is over slots, not over inputs."""

import torch
from torch import nn


class SlotAttention(nn.Module):
    def __init__(self, width, slots, iterations=3):
        super().__init__()
        self.slots, self.iterations, self.scale = slots, iterations, width**-0.5
        self.mean = nn.Parameter(torch.randn(1, slots, width))
        self.log_std = nn.Parameter(torch.full((1, 1, width), -1.0))
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.gru = nn.GRUCell(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, inputs):
        b, _, w = inputs.shape
        k, v = self.k(inputs), self.v(inputs)
        slots = self.mean + self.log_std.exp() * torch.randn(b, self.slots, w)
        for _ in range(self.iterations):
            logits = self.q(self.norm(slots)) @ k.transpose(1, 2) * self.scale
            attention = logits.softmax(dim=1) + 1e-8
            weights = attention / attention.sum(dim=-1, keepdim=True)
            updates = weights @ v
            slots = self.gru(updates.flatten(0, 1), slots.flatten(0, 1)).view(b, self.slots, w)
        return slots, attention


class AutoEncoder(nn.Module):
    def __init__(self, width=24, slots=3):
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width))
        self.attention = SlotAttention(width, slots)
        self.decode = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, x):
        slots, attention = self.attention(self.encode(x))
        return attention.transpose(1, 2) @ self.decode(slots)


def scene(n):
    centers = torch.rand(n, 3, 2) * 4 - 2
    return (centers.unsqueeze(2) + 0.1 * torch.randn(n, 3, 4, 2)).flatten(1, 2)


torch.manual_seed(0)
model = AutoEncoder()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
losses = []
for step in range(150):
    x = scene(32)
    loss = nn.functional.mse_loss(model(x), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.5 * losses[0]
