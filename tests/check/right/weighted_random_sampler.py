"""An unbalanced set, evened out by WeightedRandomSampler: one weight a sample."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(0)
N = 1000
y = (torch.rand(N) < 0.05).long()
x = torch.randn(N, 3) + 1.5 * y.unsqueeze(1)
counts = torch.bincount(y, minlength=2)
weights = (1.0 / counts.double())[y]
assert len(weights) == N

# Half an epoch at a time: 500 draws with replacement out of 1000 samples.
sampler = WeightedRandomSampler(weights, num_samples=N // 2, replacement=True)
loader = DataLoader(TensorDataset(x, y), batch_size=50, sampler=sampler)
model = nn.Linear(3, 2)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
drawn = torch.zeros(2)
for epoch in range(8):
    for inputs, labels in loader:
        drawn += torch.bincount(labels, minlength=2)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()

with torch.no_grad():
    predicted = model(x).argmax(1)
recall = [(predicted[y == c] == c).float().mean().item() for c in (0, 1)]
print(f"classes {counts.tolist()}, drawn {drawn.tolist()}, recall {recall[0]:.2f} {recall[1]:.2f}")
assert min(recall) > 0.8
