"""Saved activations go to bfloat16 or to the disk, by saved_tensors_hooks."""

import os
import tempfile
import uuid

import torch
from torch import nn
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks


class OnDisk:
    def __init__(self, folder, least=512):
        self.folder, self.least, self.written = folder, least, 0

    def pack(self, tensor):
        if tensor.numel() < self.least or isinstance(tensor, nn.Parameter):
            return tensor
        path = os.path.join(self.folder, f"{uuid.uuid4().hex}.pt")
        torch.save(tensor, path)
        self.written += 1
        return path

    def unpack(self, packed):
        return packed if isinstance(packed, torch.Tensor) else torch.load(packed)


def to_bfloat16(tensor):
    small = tensor.is_floating_point() and not isinstance(tensor, nn.Parameter)
    return (tensor.dtype, tensor.to(torch.bfloat16) if small else tensor)


def from_bfloat16(packed):
    dtype, tensor = packed
    return tensor.to(dtype)


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
losses = []
with tempfile.TemporaryDirectory() as folder:
    disk = OnDisk(folder)
    contexts = [
        lambda: saved_tensors_hooks(to_bfloat16, from_bfloat16),
        lambda: saved_tensors_hooks(disk.pack, disk.unpack),
        save_on_cpu,
    ]
    for step in range(60):
        x = torch.randn(64, 4)
        y = x[:, :1] * x[:, 1:2].sign()
        with contexts[0 if step % 10 else step // 10 % 2 + 1]():
            loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

first, last = sum(losses[:5]) / 5, sum(losses[-5:]) / 5
print(f"{first:.3f} -> {last:.3f}, {disk.written} tensors went to the disk")
assert last < 0.5 * first and disk.written > 0
