import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Scans(Dataset):
    def __init__(self, n=32, size=12):
        self.rng = np.random.default_rng(7)
        base = np.random.default_rng(0)
        self.volume = base.normal(size=(n, size)).astype(np.float32)
        self.label = (self.volume[:, 0] > 0).astype(np.int64)

    def __len__(self):
        return len(self.volume)

    def __getitem__(self, i):
        jitter = self.rng.normal(0, 0.1, size=self.volume.shape[1]).astype(np.float32)
        return self.volume[i] + jitter, self.label[i], jitter[0]


def train(epochs=2):
    torch.manual_seed(4)
    loader = DataLoader(Scans(), batch_size=4, num_workers=2, shuffle=True)
    net = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 2))
    opt = torch.optim.SGD(net.parameters(), lr=0.05)
    for epoch in range(epochs):
        jitters = []
        for x, y, j in loader:
            loss = nn.functional.cross_entropy(net(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            jitters.append(j)
        print(epoch, loss.item(), "repeated", torch.equal(jitters[0], jitters[1]))


if __name__ == "__main__":
    train()
