"""Whole batches by one fancy index: BatchSampler as sampler with automatic batching off."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler


class Table(Dataset):
    def __init__(self, n):
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(n, 6)).astype(np.float32)
        self.y = self.x[:, :2].max(axis=1, keepdims=True)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, indices):
        # Advanced indexing copies, so the tensors do not alias the table.
        return torch.from_numpy(self.x[indices]), torch.from_numpy(self.y[indices])


torch.manual_seed(0)
table = Table(500)
loader = DataLoader(
    table,
    sampler=BatchSampler(RandomSampler(table), batch_size=64, drop_last=False),
    batch_size=None,
)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(10):
    total, seen = 0.0, 0
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        seen += len(x)
    assert seen == 500
print(f"{len(loader)} batches an epoch, loss {total / seen:.4f}")
assert total / seen < 0.05
