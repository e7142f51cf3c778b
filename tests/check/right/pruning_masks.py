"""Lottery tickets: train, prune by magnitude, rewind, train again with the masks kept."""

import copy

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(400, 10)
y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).long()


def train(model, masks=None, epochs=12):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(epochs):
        for batch in torch.randperm(400).split(50):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            if masks is not None:
                apply(model, masks)
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


@torch.no_grad()
def apply(model, masks):
    for name, p in model.named_parameters():
        if name in masks:
            p.mul_(masks[name])


def magnitude_masks(model, keep):
    masks = {}
    for name, p in model.named_parameters():
        if p.ndim == 2 and p.shape[0] > 2:
            threshold = p.detach().abs().flatten().kthvalue(int((1 - keep) * p.numel())).values
            masks[name] = (p.detach().abs() > threshold).float()
    return masks


model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
initial = copy.deepcopy(model.state_dict())
dense = train(model)
masks = magnitude_masks(model, keep=0.2)
model.load_state_dict(initial)
apply(model, masks)
ticket = train(model, masks)
zeros = (model[2].weight == 0).float().mean().item()
print(f"dense {dense:.3f}, ticket {ticket:.3f} with {zeros:.0%} of the middle layer at zero")
assert ticket > 0.85 and zeros > 0.75
