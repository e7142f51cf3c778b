"""Targets of all right kinds: mixup, smoothing, ignored labels, weights of classes."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
CLASSES = 4
centers = torch.randn(CLASSES, 6) * 1.5
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, CLASSES))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)


def sample(n):
    y = torch.randint(CLASSES, (n,))
    return centers[y] + 0.5 * torch.randn(n, 6), y


def mixup(x, y, alpha=0.2):
    lam = torch.distributions.Beta(alpha, alpha).sample()
    other = torch.randperm(len(x))
    hot = F.one_hot(y, CLASSES).float()
    return lam * x + (1 - lam) * x[other], lam * hot + (1 - lam) * hot[other]


weight = torch.tensor([1.0, 1.0, 2.0, 0.5])
for step in range(120):
    x, y = sample(64)
    if step % 3 == 0:
        x, soft = mixup(x, y)
        loss = F.cross_entropy(model(x), soft)
    elif step % 3 == 1:
        loss = F.cross_entropy(model(x), y, label_smoothing=0.1, weight=weight)
    else:
        y[torch.rand(64) < 0.3] = -100  # annotators who gave no label
        loss = F.cross_entropy(model(x), y, ignore_index=-100)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    x, y = sample(500)
    probability = F.softmax(model(x), dim=1)
    accuracy = (probability.argmax(1) == y).float().mean().item()
    nll = F.nll_loss(probability.clamp_min(1e-8).log(), y).item()
print(f"accuracy {accuracy:.3f}, nll {nll:.3f}")
assert accuracy > 0.85
