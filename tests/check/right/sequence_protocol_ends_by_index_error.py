"""A dataset read by the old sequence protocol, then by loaders with a small last batch."""

import torch
from torch import nn
from torch.utils.data import DataLoader


class Squares:
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if not 0 <= i < self.n:
            raise IndexError(f"{i} is not below {self.n}")
        x = torch.tensor([i / self.n * 2 - 1])
        return x, x.square()


torch.manual_seed(0)
data = Squares(97)
mean = sum(y.item() for _, y in data) / len(data)  # ended by IndexError, as for lists of old
train = DataLoader(data, batch_size=32, shuffle=True, drop_last=True)
evaluate = DataLoader(data, batch_size=32)  # 97 = 3 * 32 + 1: the last batch is one sample

model = nn.Sequential(nn.Linear(1, 32), nn.BatchNorm1d(32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
for epoch in range(40):
    model.train()
    for x, y in train:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()

model.eval()
total = 0.0
with torch.no_grad():
    for x, y in evaluate:
        total += nn.functional.mse_loss(model(x), y, reduction="sum").item()
variance = sum((y.item() - mean) ** 2 for _, y in data) / len(data)
print(f"error {total / len(data):.4f}, variance {variance:.4f}")
assert total / len(data) < 0.3 * variance
