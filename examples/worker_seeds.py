"""Two workers that draw the same random numbers: nothing is raised, half the noise is a copy.

Try:
    :loader check same       two real workers are asked: they draw alike, and so does each epoch
    :loader check different  seeded from torch.initial_seed(), which each worker has its own of
    :sample 3                says that it draws from a generator that the dataset holds
"""

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info


class Noise(Dataset):
    """Pure noise, from a generator that every worker gets a copy of."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.tensor(self.rng.normal(size=3), dtype=torch.float32)


def seed_apart(worker):
    get_worker_info().dataset.rng = np.random.default_rng(torch.initial_seed() % 2**32)


if __name__ == "__main__":
    same = DataLoader(Noise(), batch_size=2, num_workers=2)
    different = DataLoader(Noise(), batch_size=2, num_workers=2, worker_init_fn=seed_apart)
    weight = torch.ones(3, requires_grad=True)
    for name, loader in (("same", same), ("different", different)):
        batches = torch.cat(list(loader))
        (batches @ weight).sum().backward()
        rows = len(torch.unique(batches, dim=0))
        print(f"{name:9}  {len(batches)} samples, {rows} of them different from the others")
