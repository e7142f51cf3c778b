"""A stream that is split among the workers; every record comes exactly once an epoch."""

import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class Stream(IterableDataset):
    def __init__(self, records):
        self.records = records

    def __iter__(self):
        info = get_worker_info()
        start, stride = (0, 1) if info is None else (info.id, info.num_workers)
        for i in range(start, len(self.records), stride):
            x = self.records[i]
            yield i, x, x.square().sum(dim=0, keepdim=True)


def main():
    torch.manual_seed(0)
    records = torch.randn(250, 3)
    # 125 records a worker: two batches of 50 and one of 25 from each
    loader = DataLoader(Stream(records), batch_size=50, num_workers=2)
    model = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    for epoch in range(7):
        seen = []
        for index, x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.extend(index.tolist())
        assert sorted(seen) == list(range(250))
        print(f"epoch {epoch}: loss {loss.item():.3f}")
    assert loss.item() < 1.5


if __name__ == "__main__":
    main()
