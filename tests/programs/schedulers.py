"""Rates that change: one-cycle, cosine with warm-up in a chain, on a plateau, cyclic momentum."""

import math
import warnings

import torch
from _digest import report, seed
from torch import nn
from torch.optim import lr_scheduler as s

seed(32)
inputs, targets = torch.randn(20, 4), torch.randn(20, 1)


def cycle(optimizer):
    return s.OneCycleLR(optimizer, max_lr=0.2, epochs=2, steps_per_epoch=3)


def chain(optimizer):
    warm = s.LinearLR(optimizer, start_factor=0.1, total_iters=2)
    rest = s.CosineAnnealingLR(optimizer, T_max=4)
    return s.SequentialLR(optimizer, [warm, rest], milestones=[2])


def by_lambda(optimizer):
    return s.LambdaLR(optimizer, lambda step: math.exp(-step / 3))


def plateau(optimizer):
    return s.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=0.5)


def cyclic(optimizer):
    return s.CyclicLR(optimizer, base_lr=0.01, max_lr=0.1, step_size_up=2)


states = {}
for make in (cycle, chain, by_lambda, plateau, cyclic):
    model = nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # SequentialLR steps before the optimizer
        scheduler = make(optimizer)
    rates = []
    for _ in range(6):
        loss = nn.functional.huber_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step(*([loss] if make is plateau else []))
        rates.append(optimizer.param_groups[0]["lr"])
    print(make.__name__, [f"{rate:.3e}" for rate in rates], f"{loss.item():.8f}")
    states[make.__name__] = [model, rates]

late = torch.optim.SGD(model.parameters(), lr=0.1)
s.StepLR(late, 1).step()  # torch warns: before optimizer.step()
report(**states)
