"""Augmentation with numpy in DataLoader workers, seeded for every worker and every epoch."""

import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Noisy(Dataset):
    def __init__(self, n):
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((n, 4)).astype(np.float32)
        self.y = (self.x.sum(1) > 0).astype(np.int64)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        x = self.x[i] + 0.1 * np.random.randn(4).astype(np.float32)
        if random.random() < 0.5:
            x = x[::-1].copy()  # the sum does not mind
        return torch.from_numpy(x), self.y[i]


def seed_worker(worker_id):
    seed = torch.initial_seed() % 2**32
    np.random.seed(seed)
    random.seed(seed)


def main():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    loader = DataLoader(
        Noisy(240),
        batch_size=40,
        shuffle=True,
        num_workers=2,
        worker_init_fn=seed_worker,
        generator=generator,
    )
    model = nn.Linear(4, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    sums = []
    for epoch in range(3):
        total = 0.0
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += float(x.sum())
        sums.append(total)
        print(f"epoch {epoch}: loss {loss.item():.3f}, sum of the inputs {total:.4f}")
    assert len(set(sums)) == 3 and loss.item() < 0.4


if __name__ == "__main__":
    main()
