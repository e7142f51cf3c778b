"""A DataLoader with two forked worker processes that draw their own random numbers."""

import random

import torch
from _digest import report, seed
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info


class Noisy(Dataset):
    def __init__(self):
        self.points = torch.linspace(-1, 1, 48).unsqueeze(1)

    def __len__(self):
        return len(self.points)

    def __getitem__(self, index):
        noise = torch.randn(1) * 0.1 + random.random() * 0.01
        return self.points[index] + noise, self.points[index] ** 2, get_worker_info().id


def main():
    seed(12)
    model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    loader = DataLoader(
        Noisy(),
        batch_size=8,
        shuffle=True,
        num_workers=2,
        persistent_workers=True,
        multiprocessing_context="fork",
    )
    batches = []
    for epoch in range(2):
        for points, targets, worker in loader:
            batches.append(points)
            loss = nn.functional.mse_loss(model(points), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(f"epoch {epoch} worker {worker[0].item()} loss {loss.item():.6f}")
    report(model=model, optimizer=optimizer, batches=batches)


if __name__ == "__main__":
    main()
