import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info


class Buoys(IterableDataset):
    def __init__(self, waves):
        self.waves = waves

    def __iter__(self):
        info = get_worker_info()
        start, stop = 0, len(self.waves)
        if info is not None:
            per = len(self.waves) // info.num_workers
            start = info.id * per
            stop = start + per
        for k in range(start, stop):
            yield k, self.waves[k, :-1], self.waves[k, -1]


class Height(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 1))

    def forward(self, x):
        return self.net(x)[:, 0]


if __name__ == "__main__":
    torch.manual_seed(3)
    data = Buoys(torch.randn(50, 7).cumsum(1))
    loader = DataLoader(data, batch_size=16, num_workers=2, drop_last=True)
    model = Height()
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    used = set()
    for epoch in range(2):
        for k, x, y in loader:
            used.update(k.tolist())
            loss = nn.functional.l1_loss(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(epoch, loss.item())
    print("used", len(used), "of", len(data.waves))
