import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


def make_transform(level):
    def noise(x):
        return x + level * torch.randn_like(x)
    return noise


class Pulses(Dataset):
    def __init__(self, n, transform=None):
        self.x = torch.randn(n, 16)
        self.y = self.x.argmax(1)
        self.transform = transform

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        x = self.x[i]
        if self.transform is not None:
            x = self.transform(x)
        return x, self.y[i]


def main():
    torch.manual_seed(8)
    data = Pulses(64, transform=make_transform(0.05))
    loader = DataLoader(data, batch_size=16, num_workers=1, multiprocessing_context="spawn")
    net = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16))
    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    for x, y in loader:
        loss = nn.functional.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(loss.item())


if __name__ == "__main__":
    main()
