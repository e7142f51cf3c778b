"""Grad-CAM on a small net: the activations' gradient comes by a tensor hook."""

import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()
        )
        self.head = nn.Linear(16, 2)
        self.gradient = None

    def save_gradient(self, grad):
        self.gradient = grad

    def forward(self, x, explain=False):
        h = self.features(x)
        if explain:
            h.register_hook(self.save_gradient)
            self.activation = h.detach()
        return self.head(h.amax((2, 3)))


def batch(n):
    y = torch.randint(2, (n,))
    x = 0.2 * torch.randn(n, 1, 10, 10)
    corners = torch.randint(0, 6, (n, 2))
    for i, (r, c) in enumerate(corners.tolist()):
        if y[i]:
            x[i, 0, r : r + 4, c : c + 4] += 1
        else:
            x[i, 0, r, c : c + 4] += 1
    return x, y, corners


torch.manual_seed(0)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(40):
    x, y, _ = batch(32)
    loss = F.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

net.eval()
x, y, corners = batch(1)
while y.item() != 1:
    x, y, corners = batch(1)
net.zero_grad()
net(x, explain=True)[0, 1].backward()
weight = net.gradient.mean((2, 3), keepdim=True)
cam = F.relu((weight * net.activation).sum(1))[0]
r, c = divmod(cam.argmax().item(), 10)
print(f"square at {corners[0].tolist()}, strongest at {(r, c)}, loss {loss.item():.3f}")
assert loss.item() < 0.4 and cam.max() > 0
