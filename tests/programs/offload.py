"""What a forward saves is packed away: save_on_cpu, hooks of the program's own, files, nested."""

import tempfile
from pathlib import Path

import torch
from _digest import report, seed
from torch import nn
from torch.autograd.graph import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks

seed(38)
model = nn.Sequential(nn.Linear(5, 9), nn.Sigmoid(), nn.Linear(9, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
folder = Path(tempfile.mkdtemp())
packed = []


def to_file(tensor):
    path = folder / f"{len(packed)}.pt"
    packed.append(tuple(tensor.shape))
    torch.save(tensor, path)
    return path


def from_file(path):
    tensor = torch.load(path)
    path.unlink()
    return tensor


def inner(inputs):
    with save_on_cpu(pin_memory=False):
        return model(inputs).square().mean()


for step in range(3):
    inputs = torch.randn(7, 5)
    if step == 1:
        loss = inner(inputs)
    else:
        with saved_tensors_hooks(to_file, from_file):
            loss = model(inputs).exp().mean() + (inner(inputs) if step else 0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.8f} packed {len(packed)}")

# With a hook that copies, torch cannot see that a saved tensor was overwritten.
weight = torch.ones(3, requires_grad=True)
with saved_tensors_hooks(lambda tensor: tensor.clone(), lambda tensor: tensor):
    result = weight.exp()
result.mul_(5)
result.sum().backward()
print("unnoticed", weight.grad.tolist())
with disable_saved_tensors_hooks("not here"):
    try:
        inner(torch.randn(7, 5))
    except RuntimeError as error:
        print("refused:", error)
print(sorted(path.name for path in folder.iterdir()), packed)
folder.rmdir()
report(model=model, optimizer=optimizer, weight=weight)
