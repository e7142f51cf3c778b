"""A run that keeps a history of everything: floats, detached tensors, running averages."""

from collections import defaultdict, deque

import torch
from torch import nn


class Meter:
    def __init__(self):
        self.sum, self.count = torch.zeros(()), 0

    def update(self, value, n=1):
        self.sum += value.detach() * n
        self.count += n

    @property
    def mean(self):
        return (self.sum / max(1, self.count)).item()


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
meters, log = defaultdict(Meter), defaultdict(list)
recent = deque(maxlen=20)
x_all = torch.randn(600, 4)
y_all = x_all[:, :3].argmax(1)
smooth = None
for step in range(100):
    batch = torch.randint(600, (32,))
    x, y = x_all[batch], y_all[batch]
    logits = model(x)
    loss = nn.functional.cross_entropy(logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

    meters["loss"].update(loss, len(x))
    meters["accuracy"].update((logits.argmax(1) == y).float().mean(), len(x))
    log["loss"].append(float(loss))
    log["logits"].append(logits.detach().cpu())
    log["norm"].append(sum(p.grad.norm() for p in model.parameters()).item())
    recent.append(loss.detach())
    smooth = loss.detach() if smooth is None else 0.9 * smooth + 0.1 * loss.detach()

assert not any(t.requires_grad for t in log["logits"])
recent = torch.stack(list(recent)).mean().item()
print(f"mean {meters['loss'].mean:.3f}, recent {recent:.3f}, smooth {smooth.item():.3f}")
assert recent < 0.5 * log["loss"][0]
