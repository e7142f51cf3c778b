"""A program that profiles its ops and traces a module: neither holds anything that others asked."""

import contextlib
import os
import warnings

import torch
from _digest import report, seed
from torch import nn
from torch.profiler import profile

warnings.simplefilter("ignore")
seed(66)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
model(torch.randn(5, 3)).sum().backward()  # what torch does at the first time only is done


@contextlib.contextmanager
def unheard():
    """Have nobody read what the profiler says of itself: it names the process and the time."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


for _ in range(2):
    with unheard(), profile() as seen:
        loss = model(torch.randn(5, 3)).square().mean()
        loss.backward()
    print(sorted((e.key, e.count) for e in seen.key_averages() if e.key.startswith("aten::")))
    with torch.autograd.profiler.record_function("step"):
        optimizer.step()
    optimizer.zero_grad()
traced = torch.jit.trace(model, torch.ones(2, 3))
print([node.kind() for node in traced.inlined_graph.nodes()])
loss = traced(torch.ones(5, 3)).sum()
loss.backward()
report(model=model, optimizer=optimizer)
