"""Training, interrupted and resumed: the second half is the same to the last bit."""

import os
import tempfile

import torch
from torch import nn


def build():
    model = nn.Sequential(nn.Linear(3, 16), nn.Dropout(0.1), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.01},
            {"params": [p for p in model.parameters() if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=5e-2,
    )
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.7)
    return model, optimizer, scheduler


def train(model, optimizer, scheduler, first, last):
    for step in range(first, last):
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(32, 3, generator=generator)
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), x.sum(1, keepdim=True))
        loss.backward()
        optimizer.step()
        scheduler.step()
    return loss.item()


def save(path, step, *objects):
    states = [thing.state_dict() for thing in objects]
    torch.save({"step": step, "states": states, "rng": torch.get_rng_state()}, path)


def load(path, *objects):
    checkpoint = torch.load(path, weights_only=True)
    for thing, state in zip(objects, checkpoint["states"], strict=True):
        thing.load_state_dict(state)
    torch.set_rng_state(checkpoint["rng"])
    return checkpoint["step"]


torch.manual_seed(0)
first = build()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "last.pt")
    train(*first, 0, 25)
    save(path, 25, *first)
    uninterrupted = train(*first, 25, 50)

    second = build()
    start = load(path, *second)
    resumed = train(*second, start, 50)

print(f"uninterrupted {uninterrupted:.6f}, resumed {resumed:.6f}")
assert uninterrupted == resumed < 0.6
for a, b in zip(first[0].parameters(), second[0].parameters(), strict=True):
    assert torch.equal(a, b)
