"""Stochastic weight averaging by hand, then BatchNorm statistics are measured anew."""

import copy

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(512, 6) * 2 + 1
y = (x[:, 0] > x[:, 1]).long()


def batches(size=64):
    for index in torch.randperm(len(x)).split(size):
        yield x[index], y[index]


def recalibrate(model):
    momenta = {}
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.reset_running_stats()
            momenta[module] = module.momentum
            module.momentum = None  # a true average over the pass
    model.train()
    with torch.no_grad():
        for inputs, _ in batches():
            model(inputs)
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.eval()


def accuracy(model):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


model = nn.Sequential(nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
average = copy.deepcopy(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
averaged = 0
for epoch in range(8):
    model.train()
    for inputs, labels in batches():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    if epoch >= 4:
        with torch.no_grad():
            for a, p in zip(average.parameters(), model.parameters(), strict=True):
                a.copy_((a * averaged + p) / (averaged + 1))
        averaged += 1

stale = accuracy(average)
recalibrate(average)
print(f"last {accuracy(model):.3f}, average {stale:.3f}, recalibrated {accuracy(average):.3f}")
assert accuracy(average) > 0.95
