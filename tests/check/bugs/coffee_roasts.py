import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler


class Roasts(Dataset):
    def __init__(self, n=120):
        g = torch.Generator().manual_seed(1)
        self.curve = torch.randn(n, 10, generator=g).cumsum(1)
        self.burnt = (self.curve[:, -1] > 3).long()
        self.split = torch.arange(n) < 90

    def __len__(self):
        return len(self.burnt)

    def __getitem__(self, i):
        return i, self.curve[i], self.burnt[i]


def class_weights(labels):
    freq = torch.bincount(labels, minlength=2).float()
    return (1.0 / freq)[labels]


def main():
    torch.manual_seed(0)
    data = Roasts()
    weights = class_weights(data.burnt[data.split])
    sampler = WeightedRandomSampler(weights, num_samples=len(data))
    loader = DataLoader(data, batch_size=30, sampler=sampler)
    net = nn.Sequential(nn.Linear(10, 12), nn.ReLU(), nn.Linear(12, 2))
    opt = torch.optim.Adam(net.parameters(), lr=5e-3)
    seen = set()
    for epoch in range(6):
        for i, x, y in loader:
            seen.update(i.tolist())
            loss = nn.functional.cross_entropy(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(epoch, round(loss.item(), 4))
    print("unseen", sum(k not in seen for k in range(90, 120)))


main()
