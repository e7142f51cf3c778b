"""From samples to batches: a Dataset answers for one index, a DataLoader shuffles and stacks them.

Try:
    b op mse_loss, epoch == 1    then c: stop at the first loss of the second epoch
    p points                     the batch;  :t points  shows its shape, type and range
    s                            the next op;  u  the caller's frame;  d  back again
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class NoisyLine(Dataset):
    """Points of the line 3x - 1, each a little off."""

    def __init__(self, size, generator):
        self.points = torch.rand(size, 1, generator=generator) * 4 - 2
        self.noise = torch.randn(size, 1, generator=generator) * 0.1

    def __len__(self):
        return len(self.points)

    def __getitem__(self, index):
        point = self.points[index]
        return point, 3 * point - 1 + self.noise[index]


torch.manual_seed(0)
dataset = NoisyLine(size=200, generator=torch.Generator().manual_seed(1))
loader = DataLoader(dataset, batch_size=20, shuffle=True)

model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(5):
    total = 0.0
    for points, targets in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(points), targets)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(points)
    print(f"epoch {epoch}  mean squared error {total / len(dataset):.4f}")

print(f"learned {model.weight.item():.2f} x {model.bias.item():+.2f}, wanted 3.00 x -1.00")
