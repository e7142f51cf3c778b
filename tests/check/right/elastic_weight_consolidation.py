"""EWC: two tasks, one after the other; what the first needs is held in place."""

import torch
from torch import nn

torch.manual_seed(0)


def task(dimension, n=200):
    x = torch.randn(n, 6)
    return x, (x[:, dimension] > 0).long()


def fisher_of(model, x, y):
    fisher = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    for i in range(60):
        model.zero_grad()
        nn.functional.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
        for n, p in model.named_parameters():
            fisher[n] += p.grad.square() / 60
    model.zero_grad()
    return fisher


def train(model, x, y, anchor=None, fisher=None, strength=60.0):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for _ in range(40):
        for batch in torch.randperm(len(x)).split(50):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            if anchor is not None:
                for n, p in model.named_parameters():
                    loss = loss + strength / 2 * (fisher[n] * (p - anchor[n]) ** 2).sum()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimizer.step()


@torch.no_grad()
def accuracy(model, x, y):
    return (model(x).argmax(1) == y).float().mean().item()


one, two = task(0), task(1)
results = {}
for consolidated in (False, True):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 2))
    train(model, *one)
    anchor = {n: p.detach().clone() for n, p in model.named_parameters()}
    fisher = fisher_of(model, *one)
    train(model, *two, *((anchor, fisher) if consolidated else ()))
    results[consolidated] = accuracy(model, *one), accuracy(model, *two)

print("plain (first, second):", results[False], "consolidated:", results[True])
assert results[True][0] > results[False][0]
