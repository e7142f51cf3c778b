"""Activation checkpointing (use_reentrant=False), dropout inside, compared to the plain net."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Block(nn.Module):
    def __init__(self, width, dropout):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, scale=1.0):
        return x + scale * self.dropout(self.down(torch.relu_(self.up(self.norm(x)))))


class Net(nn.Module):
    def __init__(self, checkpointing):
        super().__init__()
        self.checkpointing = checkpointing
        self.stem = nn.Linear(3, 16)
        self.blocks = nn.ModuleList(Block(16, 0.1) for _ in range(3))
        self.head = nn.Linear(16, 1)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            if self.checkpointing and self.training:
                x = checkpoint(block, x, scale=0.5, use_reentrant=False)
            else:
                x = block(x, scale=0.5)
        return self.head(x)


def train(checkpointing):
    torch.manual_seed(0)
    net = Net(checkpointing)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    losses = []
    for _ in range(40):
        x = torch.randn(64, 3)
        loss = nn.functional.mse_loss(net(x), x.abs().sum(1, keepdim=True))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


plain, saved = train(False), train(True)
print(f"{plain[0]:.4f} -> {plain[-1]:.4f} and {saved[0]:.4f} -> {saved[-1]:.4f}")
assert plain == saved
assert plain[-1] < 0.3 * plain[0]
