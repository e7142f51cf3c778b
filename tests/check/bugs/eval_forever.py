import torch
from torch import nn
import torch.nn.functional as F


class Wine(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(11, 32)
        self.norm = nn.BatchNorm1d(32)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(32, 3)

    def forward(self, x):
        return self.out(self.drop(F.relu(self.norm(self.inp(x)))))


def evaluate(net, x, y):
    net.eval()
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def train(net, x, y, epochs=4):
    net.train()
    opt = torch.optim.Adam(net.parameters(), lr=5e-3)
    for epoch in range(epochs):
        for idx in torch.randperm(60).split(20):
            loss = F.cross_entropy(net(x[idx]), y[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
        acc = evaluate(net, x[60:], y[60:])
        print(epoch, round(loss.item(), 4), "accuracy", round(acc, 3))


torch.manual_seed(10)
chem = torch.randn(90, 11)
grade = (chem[:, 0] + chem[:, 1] > 0).long() + (chem[:, 2] > 1).long()
net = Wine()
train(net, chem, grade)
