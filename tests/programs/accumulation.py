"""Four micro-batches to a step, clipped by norm and by value, with what is not finite passed by."""

import torch
from _digest import report, seed
from torch import nn
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

seed(33)
model = nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8), nn.Hardswish(), nn.Linear(8, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, foreach=True)
EVERY = 4

for step in range(12):
    inputs = torch.randn(6, 5)
    if step == 5:
        inputs[0, 0] = float("inf")
    loss = nn.functional.cross_entropy(model(inputs), torch.randint(3, (6,))) / EVERY
    loss.backward()
    if (step + 1) % EVERY:
        continue
    norm = clip_grad_norm_(model.parameters(), 0.5, error_if_nonfinite=False, foreach=True)
    if norm.isfinite():
        clip_grad_value_(model.parameters(), 0.05)
        optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    print(f"step {step} norm {norm.item():.8f} loss {loss.item():.8f}")

try:
    model[0].weight.grad.fill_(float("nan"))
    clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)
except RuntimeError as error:
    print("refused:", str(error).split(",")[0])
report(model=model, optimizer=optimizer)
