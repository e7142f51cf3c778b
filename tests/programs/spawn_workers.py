"""A spawned worker that stays for two epochs, and draws; what it draws from is told."""

import random

import torch
from _digest import report, seed
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info


class Drawing(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        info = get_worker_info()
        drawn = torch.rand(3) + random.random()
        state = torch.get_rng_state().sum() + sum(random.getstate()[1]) % 1000
        return drawn, torch.tensor([index, info.id, info.seed % 10**9]), state


def main():
    seed(61)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    staying = DataLoader(
        Drawing(), batch_size=3, shuffle=True, num_workers=1, persistent_workers=True,
        multiprocessing_context="spawn",
    )  # fmt: skip
    batches = []
    for _ in range(2):
        for points, about, state in staying:
            loss = model(points).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            batches += [points, about, state]
            print(f"{about.tolist()} {state.tolist()} loss {loss.item():.8f}")
    report(model=model, optimizer=optimizer, batches=batches)


if __name__ == "__main__":
    main()
