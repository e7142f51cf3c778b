"""A dataset over a memory-mapped array that fetches a whole batch by __getitems__."""

import os
import tempfile

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset


class MemoryMapped(Dataset):
    def __init__(self, path, shape):
        self.array = np.memmap(path, dtype=np.float32, mode="r", shape=shape)
        self.reads = 0

    def __len__(self):
        return len(self.array)

    def __getitem__(self, index):
        return self.__getitems__([index])[0]

    def __getitems__(self, indices):
        self.reads += 1
        rows = torch.from_numpy(np.array(self.array[indices]))  # a copy: the map is read-only
        return [(row[:-1], row[-1:]) for row in rows]


torch.manual_seed(0)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "table.bin")
    x = np.random.default_rng(0).normal(size=(320, 4)).astype(np.float32)
    np.concatenate([x, np.abs(x[:, :1]) + x[:, 1:2]], axis=1).tofile(path)

    dataset = MemoryMapped(path, (320, 5))
    train, valid = Subset(dataset, range(256)), Subset(dataset, range(256, 320))
    model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    loader = DataLoader(train, batch_size=32, shuffle=True)
    for epoch in range(20):
        for inputs, target in loader:
            loss = nn.functional.mse_loss(model(inputs), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert dataset.reads == 20 * len(loader)

    with torch.no_grad():
        inputs, target = next(iter(DataLoader(valid, batch_size=64)))
        error = nn.functional.mse_loss(model(inputs), target).item()
    print(f"{dataset.reads} reads, error {error:.4f}")
    assert error < 0.1
