"""A net that grows: a hidden layer is put in when learning stalls, then a new optimizer is made."""

import torch
from torch import nn


class Growing(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.width = width
        self.stem = nn.Linear(2, width)
        self.hidden = nn.ModuleList()
        self.head = nn.Linear(width, 1)

    def grow(self):
        layer = nn.Linear(self.width, self.width)
        with torch.no_grad():
            layer.weight.copy_(torch.eye(self.width) + 0.01 * torch.randn_like(layer.weight))
            layer.bias.zero_()
        self.hidden.append(layer)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        for layer in self.hidden:
            x = torch.relu(layer(x))
        return self.head(x)


def make_optimizer(model):
    return torch.optim.Adam(model.parameters(), lr=5e-3)


torch.manual_seed(0)
x = torch.rand(256, 2) * 4 - 2
y = torch.sin(2 * x[:, :1]) * torch.cos(2 * x[:, 1:])
model = Growing()
optimizer = make_optimizer(model)
curve = []
for epoch in range(60):
    if epoch in (20, 40):
        model.grow()
        optimizer = make_optimizer(model)
    for batch in torch.randperm(256).split(128):
        loss = nn.functional.mse_loss(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    curve.append(loss.item())

print([round(v, 4) for v in curve[::10]], len(model.hidden), "hidden layers")
assert curve[-1] < 0.8 * curve[19]
