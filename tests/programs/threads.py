"""Forward and backward in the user's threads: one alone, then several side by side."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from _digest import report, seed
from torch import nn

seed(14)
models = [nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)) for _ in range(4)]
optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in models]
inputs = torch.randn(4, 16, 4)
losses = {}


def train(index):
    for _ in range(5):
        error = models[index](inputs[index]) - inputs[index].sum(dim=1, keepdim=True)
        loss = error.square().mean()
        optimizers[index].zero_grad()
        loss.backward()
        optimizers[index].step()
    losses[index] = loss.item()
    return loss.item()


alone = threading.Thread(target=train, args=(0,), name="trainer")
alone.start()
alone.join()
print(f"alone {losses[0]:.6f}")

with ThreadPoolExecutor(max_workers=3) as pool:
    for index, loss in zip((1, 2, 3), pool.map(train, (1, 2, 3)), strict=True):
        print(f"model {index} {loss:.6f}")

# The forward here, the backward there; grad mode is each thread's own.
shared = models[0](inputs[0]).mean()
modes = []


def backward_there():
    modes.append(torch.is_grad_enabled())
    shared.backward()


with torch.no_grad():
    there = threading.Thread(target=backward_there)
    there.start()
    there.join()
    print(f"grad mode: here {torch.is_grad_enabled()}, there {modes[0]}")

report(models=models, losses=sorted(losses.items()))
