"""OneCycle per batch, ReduceLROnPlateau per epoch, SequentialLR with linear warm-up."""

import torch
from torch import nn
from torch.optim import lr_scheduler

torch.manual_seed(0)
x = torch.randn(256, 4)
y = torch.tanh(x[:, :1] * x[:, 1:2])


def make(optimizer, kind, epochs, batches):
    if kind == "onecycle":
        return lr_scheduler.OneCycleLR(optimizer, 0.05, epochs=epochs, steps_per_epoch=batches)
    if kind == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    warm = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=3)
    rest = lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    return lr_scheduler.SequentialLR(optimizer, [warm, rest], milestones=[3])


def train(kind, epochs=8, size=32):
    model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    batches = len(x) // size
    scheduler = make(optimizer, kind, epochs, batches)
    rates = []
    for _ in range(epochs):
        total = 0.0
        for batch in torch.randperm(len(x)).split(size):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            total += loss.item()
            rates.append(optimizer.param_groups[0]["lr"])
            if kind == "onecycle":
                scheduler.step()
        if kind == "plateau":
            scheduler.step(total / batches)
        elif kind == "sequential":
            scheduler.step()
    return total / batches, rates


for kind in ("onecycle", "plateau", "sequential"):
    loss, rates = train(kind)
    print(f"{kind}: loss {loss:.4f}, rate {rates[0]:.5f} .. {max(rates):.5f} .. {rates[-1]:.5f}")
    assert loss < 0.15
