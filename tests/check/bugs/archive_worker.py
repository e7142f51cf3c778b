import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

UNITS = {"mm": 0.001, "cm": 0.01, "m": 1.0}


class Archive(Dataset):
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        value, unit, kind = self.rows[i]
        x = torch.tensor([value * UNITS[unit], float(len(unit))])
        return x, kind


def rows(n):
    units = ["mm", "cm", "m"]
    out = [(1.0 + i % 11, units[i % 3], i % 2) for i in range(n)]
    out[29] = (4.0, "inch", 1)
    return out


def main():
    torch.manual_seed(15)
    loader = DataLoader(Archive(rows(48)), batch_size=8, num_workers=2)
    net = nn.Linear(2, 2)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    for n, (x, kind) in enumerate(loader):
        loss = nn.functional.cross_entropy(net(x), kind)
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(n, loss.item())


if __name__ == "__main__":
    main()
