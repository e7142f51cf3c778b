"""A MAML step: inner updates with create_graph, the outer one through them; unrolled in-place."""

import torch
from _digest import report, seed
from torch import nn
from torch.func import functional_call

seed(37)
model = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1))
rates = nn.Parameter(torch.full((2,), 0.1))
outer = torch.optim.Adam([*model.parameters(), rates], lr=0.01)


def task(shift):
    points = torch.rand(8, 1) * 6 - 3
    return points, (points + shift).sin()


def loss_of(weights, points, wanted):
    return nn.functional.mse_loss(functional_call(model, weights, (points,)), wanted)


for step in range(3):
    outer.zero_grad()
    total = torch.zeros(())
    for shift in (0.0, 1.0):
        weights = dict(model.named_parameters())
        for rate in rates:
            inner = loss_of(weights, *task(shift))
            slopes = torch.autograd.grad(inner, list(weights.values()), create_graph=True)
            weights = {
                name: value - rate * slope
                for (name, value), slope in zip(weights.items(), slopes, strict=True)
            }
        total = total + loss_of(weights, *task(shift))
    total.backward()
    outer.step()
    print(f"step {step} loss {total.item():.8f} rates {rates.grad.norm().item():.8f}")

weights = dict(model.named_parameters())
first = torch.autograd.grad(loss_of(weights, *task(0.0)), weights.values(), create_graph=True)
square = sum(slope.square().sum() for slope in first)
square.backward(retain_graph=True)
square.backward()
print("of the square", round(model[0].weight.grad.norm().item(), 6))
report(model=model, rates=rates, outer=outer)
