"""A DataLoader whose workers come from a fork server, with seeds of their own and an init."""

import random

import torch
from _digest import report, seed
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info


class Points(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return torch.rand(3) + random.random(), index, get_worker_info().id


def begin(worker):
    random.seed(torch.initial_seed() % 2**32)


def main():
    seed(51)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(
        Points(), batch_size=3, shuffle=True, num_workers=2, worker_init_fn=begin,
        multiprocessing_context="forkserver",
    )  # fmt: skip
    for points, indices, workers in loader:
        loss = model(points).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"{indices.tolist()} from {workers.tolist()} loss {loss.item():.8f}")
    report(model=model, optimizer=optimizer)


if __name__ == "__main__":
    main()
