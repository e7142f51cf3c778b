import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Pool(Dataset):
    def __init__(self, n=40):
        g = torch.Generator().manual_seed(3)
        self.x = torch.randn(n, 6, generator=g)
        self.label = [int(v) for v in torch.randint(0, 2, (n,), generator=g)]

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return i, self.x[i], self.label[i]


@torch.no_grad()
def relabel(net, pool):
    fresh = net(pool.x).argmax(1).tolist()
    changed = [i for i, (a, b) in enumerate(zip(pool.label, fresh)) if a != b]
    for i in changed:
        pool.label[i] = fresh[i]
    return changed


def main():
    torch.manual_seed(13)
    pool = Pool()
    loader = DataLoader(pool, batch_size=10, num_workers=1, persistent_workers=True)
    net = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))
    opt = torch.optim.Adam(net.parameters(), lr=0.02)
    changed = []
    for epoch in range(3):
        seen = 0
        for i, x, y in loader:
            loss = nn.functional.cross_entropy(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            seen += sum(pool.label[k] == v for k, v in zip(i.tolist(), y.tolist()) if k in changed)
        print(epoch, loss.item(), "changed", len(changed), "seen", seen)
        changed = relabel(net, pool)


if __name__ == "__main__":
    main()
