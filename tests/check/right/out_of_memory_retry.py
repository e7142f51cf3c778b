"""When a batch does not fit, the step is done again in halves."""

import torch
from torch import nn

LIMIT = 48


class Hungry(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, x):
        if len(x) > LIMIT:
            raise torch.OutOfMemoryError(f"{len(x)} rows do not fit")
        return self.layers(x)


def accumulate(model, x, y, size):
    for inputs, targets in zip(x.split(size), y.split(size), strict=True):
        loss = nn.functional.mse_loss(model(inputs), targets, reduction="sum") / len(x)
        loss.backward()


def step(model, optimizer, x, y, size):
    while True:
        optimizer.zero_grad(set_to_none=True)
        try:
            accumulate(model, x, y, size)
            break
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size //= 2
    optimizer.step()
    return size


torch.manual_seed(0)
model = Hungry()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
size, sizes = 128, []
for i in range(80):
    x = torch.randn(128, 4)
    y = x.max(1, keepdim=True).values
    size = step(model, optimizer, x, y, size)
    sizes.append(size)

with torch.no_grad():
    x = torch.randn(40, 4)
    error = nn.functional.mse_loss(model(x), x.max(1, keepdim=True).values).item()
print(f"sizes {sizes[0]} .. {sizes[-1]}, error {error:.4f}")
assert sizes == [32] * 80 and error < 0.1
