"""An IterableDataset with drop_last, where nothing is dropped: shares are whole batches."""

from itertools import islice

import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

BATCH, WORKERS, PER_EPOCH = 25, 2, 200


class Endless(IterableDataset):
    def __init__(self, seed):
        self.seed = seed

    def records(self, worker):
        generator = torch.Generator().manual_seed(self.seed * 1000 + worker)
        while True:
            x = torch.randn(4, generator=generator)
            yield x, (x[0] > x[1]).long()

    def __iter__(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        share = PER_EPOCH // workers
        assert share % BATCH == 0
        return islice(self.records(worker), share)


def main():
    torch.manual_seed(0)
    dataset = Endless(seed=0)
    loader = DataLoader(dataset, batch_size=BATCH, num_workers=WORKERS, drop_last=True)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    firsts = set()
    for epoch in range(4):
        dataset.seed = epoch  # the workers are made anew for each epoch, and see it
        seen, right = 0, 0
        for x, y in loader:
            if seen == 0:
                firsts.add(round(x[0, 0].item(), 6))
            logits = model(x)
            loss = nn.functional.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(x)
            right += (logits.argmax(1) == y).sum().item()
        assert seen == PER_EPOCH
        print(f"epoch {epoch}: accuracy {right / seen:.3f}")
    assert len(firsts) == 4 and right / seen > 0.85


if __name__ == "__main__":
    main()
