"""Accumulation over micro-batches, divided by what the group really holds."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATE = 4


def train_epoch(model, loader, optimizer):
    model.train()
    optimizer.zero_grad()
    total = 0.0
    batches = len(loader)
    for i, (x, y) in enumerate(loader):
        group_start = i - i % ACCUMULATE
        group = min(ACCUMULATE, batches - group_start)
        loss = nn.functional.mse_loss(model(x), y)
        (loss / group).backward()
        total += loss.detach()
        if (i + 1) % ACCUMULATE == 0 or i + 1 == batches:
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()
    return total.item() / batches


def main():
    torch.manual_seed(0)
    x = torch.randn(320, 5)
    y = x.clamp(min=0).sum(1, keepdim=True)
    # 320 / 32 = 10 batches: two groups of four, and one of two
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    model = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = [train_epoch(model, loader, optimizer) for _ in range(15)]
    print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
    assert losses[-1] < 0.1 * losses[0]


if __name__ == "__main__":
    main()
