"""Batch-hard triplet loss: mining without gradients, then the distances of the chosen ones."""

import torch
import torch.nn.functional as F
from torch import nn


@torch.no_grad()
def mine(z, labels):
    distance = torch.cdist(z, z)
    same = labels[:, None] == labels[None, :]
    positive = distance.masked_fill(~same, float("-inf")).argmax(1)
    negative = distance.masked_fill(same, float("inf")).argmin(1)
    return positive, negative


torch.manual_seed(0)
CLASSES = 5
centers = torch.randn(CLASSES, 8)
net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
history, active = [], []
for step in range(100):
    labels = torch.arange(CLASSES).repeat(8)  # eight of each: everyone has a positive
    x = centers[labels] + 0.3 * torch.randn(len(labels), 8)
    z = F.normalize(net(x), dim=1)
    positive, negative = mine(z, labels)
    to_positive = (z - z[positive]).square().sum(1)
    to_negative = (z - z[negative]).square().sum(1)
    triplets = F.relu(to_positive - to_negative + 0.2)
    loss = triplets.mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(loss.item())
    active.append((triplets > 0).sum().item())

with torch.no_grad():
    x = centers.repeat(40, 1) + 0.3 * torch.randn(200, 8)
    z, prototypes = F.normalize(net(x), dim=1), F.normalize(net(centers), dim=1)
    accuracy = (torch.cdist(z, prototypes).argmin(1) == torch.arange(5).repeat(40)).float().mean()
print(f"{history[0]:.3f} -> {history[-1]:.3f}, {active[-1]} active, accuracy {accuracy:.2f}")
assert accuracy > 0.8
