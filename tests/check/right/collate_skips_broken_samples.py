"""Broken records are None, the collate function leaves them out."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, default_collate

LINES = [f"{i % 7} {i % 5} {(i % 7) + 2 * (i % 5)}" for i in range(210)]
LINES[3] = "garbage"
LINES[40:50] = ["? ? ?"] * 10
LINES[77] = ""


class Text(Dataset):
    def __len__(self):
        return len(LINES)

    def __getitem__(self, i):
        try:
            a, b, c = map(float, LINES[i].split())
        except ValueError:
            return None
        return torch.tensor([a, b]) / 7, torch.tensor([c]) / 14


def collate(samples):
    samples = [s for s in samples if s is not None]
    return default_collate(samples) if samples else None


torch.manual_seed(0)
loader = DataLoader(Text(), batch_size=10, collate_fn=collate)
model = nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.5)
for epoch in range(20):
    seen, empty = 0, 0
    for batch in loader:
        if batch is None:
            empty += 1
            continue
        x, y = batch
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen += len(x)

print(f"{seen} of {len(LINES)} samples, {empty} empty batches, loss {loss.item():.5f}")
assert seen == len(LINES) - 12 and empty == 1 and loss.item() < 1e-2
