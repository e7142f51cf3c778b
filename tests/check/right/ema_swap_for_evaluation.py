"""Weights' moving average, swapped in for evaluation and out again."""

import contextlib

import torch
from torch import nn


class EMA:
    def __init__(self, model, decay=0.9):
        self.model, self.decay = model, decay
        self.shadow = {n: p.detach().clone() for n, p in model.named_parameters()}

    def update(self):
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                self.shadow[name].mul_(self.decay).add_(p, alpha=1 - self.decay)

    @contextlib.contextmanager
    def average(self):
        backup = {n: p.data.clone() for n, p in self.model.named_parameters()}
        for name, p in self.model.named_parameters():
            p.data.copy_(self.shadow[name])
        try:
            yield self.model
        finally:
            for name, p in self.model.named_parameters():
                p.data.copy_(backup[name])


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        loss = nn.functional.mse_loss(model(x), y).item()
    model.train()
    return loss


torch.manual_seed(0)
x = torch.randn(256, 4)
y = x @ torch.tensor([[1.0], [-2.0], [0.5], [0.0]]) + 0.5
model = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.1), nn.ReLU(), nn.Linear(16, 1))
ema = EMA(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for epoch in range(6):
    for batch in torch.randperm(256).split(32):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x[batch]), y[batch]).backward()
        optimizer.step()
        ema.update()
    with ema.average() as averaged:
        smooth = evaluate(averaged, x, y)
    print(f"epoch {epoch}: raw {evaluate(model, x, y):.4f} averaged {smooth:.4f}")

assert smooth < 0.3
