import torch
from torch import nn
import torch.nn.functional as F


class Genre(nn.Module):
    def __init__(self, bands=20, genres=4):
        super().__init__()
        self.a = nn.Linear(bands, 32)
        self.b = nn.Linear(32, 32)
        self.c = nn.Linear(32, genres)

    def forward(self, x):
        x = F.dropout(F.relu(self.a(x)), 0.4)
        x = F.dropout(F.relu(self.b(x)), 0.4)
        return self.c(x)


def accuracy(net, x, y):
    net.eval()
    with torch.inference_mode():
        right = (net(x).argmax(1) == y).sum().item()
    return right / len(y)


def fit(net, x, y, hold_x, hold_y, epochs):
    opt = torch.optim.Adam(net.parameters(), lr=5e-3)
    for epoch in range(epochs):
        net.train()
        for idx in torch.randperm(len(x)).split(25):
            opt.zero_grad()
            F.cross_entropy(net(x[idx]), y[idx]).backward()
            opt.step()
        print(epoch, "held out", [accuracy(net, hold_x, hold_y) for _ in range(2)])


torch.manual_seed(14)
x = torch.randn(150, 20)
y = x[:, :4].argmax(1)
hold_x, hold_y = x[100:], y[100:]
net = Genre()
fit(net, x[:100], y[:100], hold_x, hold_y, epochs=3)
