"""A model is saved whole, loaded, and trained further with a new optimizer."""

import io
import pickle

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        if self.training:
            self.seen += len(x)
        return self.body(x)


def train(model, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        x = torch.rand(64, 2) * 2 - 1
        loss = nn.functional.mse_loss(model(x), (x[:, :1] * x[:, 1:]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


torch.manual_seed(0)
model = Model()
before = train(model, 40)

buffer = io.BytesIO()
torch.save(model, buffer)
buffer.seek(0)
model = torch.load(buffer, weights_only=False)
assert int(model.seen) == 40 * 64

model = pickle.loads(pickle.dumps(model))
after = train(model, 120)
print(f"before {before:.4f}, after {after:.4f}, {int(model.seen)} samples seen")
assert after < 0.5 * before and int(model.seen) == 160 * 64
