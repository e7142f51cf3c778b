"""Loaders of many kinds, with and without workers, whose every batch counts."""

import random

import torch
from _digest import report, seed
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, WeightedRandomSampler


class Noisy(Dataset):
    def __len__(self):
        return 24

    def __getitem__(self, index):
        return torch.randn(3) + random.random(), index


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.arange(30.0).view(10, 3))


def loaders():
    own = torch.Generator().manual_seed(4)
    yield DataLoader(Noisy(), batch_size=5, shuffle=True)
    yield DataLoader(Noisy(), batch_size=5, shuffle=True, generator=own, drop_last=True)
    yield DataLoader(Noisy(), batch_size=4, sampler=WeightedRandomSampler([1.0] * 24, 9))
    yield DataLoader(Stream(), batch_size=4)
    forked = {"num_workers": 2, "multiprocessing_context": "fork"}
    yield DataLoader(Noisy(), batch_size=3, shuffle=True, persistent_workers=True, **forked)


def main():
    seed(5)
    model = nn.Linear(3, 1)
    batches = []
    for loader in loaders():
        for _ in range(2):
            for batch in loader:
                batches.append(batch)
    model(batches[0][0]).sum().backward()
    report(model=model, batches=batches)


if __name__ == "__main__":
    main()
