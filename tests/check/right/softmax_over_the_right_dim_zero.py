"""Attention for sequence-first tensors: the softmax is over time, which is dimension 0."""

import torch
from torch import nn


class Pooling(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, h, lengths):
        # h is (time, batch, width)
        scores = self.score(h)
        time = torch.arange(len(h)).view(-1, 1, 1)
        scores = scores.masked_fill(time >= lengths.view(1, -1, 1), float("-inf"))
        weights = torch.softmax(scores, dim=0)
        return (weights * h).sum(0), weights.squeeze(-1)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3, 24)
        self.pool = Pooling(24)
        self.head = nn.Linear(24, 2)

    def forward(self, x, lengths):
        pooled, weights = self.pool(torch.relu(self.embed(x)), lengths)
        return self.head(pooled), weights


def batch(n, time=7):
    # One element carries the mark in channel 0; its channel 1 is the class.
    lengths = torch.randint(2, time + 1, (n,))
    place = (torch.rand(n) * lengths).long()
    x = torch.randn(time, n, 3)
    x[:, :, 0] = 0.0
    y = torch.randint(2, (n,))
    columns = torch.arange(n)
    x[place, columns, 0] = 1.0
    x[place, columns, 1] = 2.0 * y - 1
    return x, lengths, y, place


torch.manual_seed(0)
model = Classifier()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
for step in range(150):
    x, lengths, y, _ = batch(64)
    loss = nn.functional.cross_entropy(model(x, lengths)[0], y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    x, lengths, y, place = batch(500)
    logits, weights = model(x, lengths)
assert torch.allclose(weights.sum(0), torch.ones(500))
accuracy = (logits.argmax(1) == y).float().mean().item()
found = (weights.argmax(0) == place).float().mean().item()
print(f"accuracy {accuracy:.3f}, attention at the mark {found:.3f}")
assert accuracy > 0.9
