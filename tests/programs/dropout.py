"""Dropout draws random numbers in the forward, and its backward must use the same mask."""

import torch
import torch.nn.functional as F
from _digest import report, seed
from torch import nn

seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
inputs, labels = torch.randn(64, 8), torch.randint(3, (64,))

for step in range(20):
    optimizer.zero_grad()
    features = F.dropout(inputs, p=0.1, training=model.training)
    loss = F.cross_entropy(model(features), labels)
    loss.backward()
    optimizer.step()
    if step % 5 == 0:
        print(f"step {step} loss {loss.item():.6f}")

model.eval()
with torch.no_grad():
    print(f"eval loss {F.cross_entropy(model(inputs), labels).item():.6f}")
report(model=model, optimizer=optimizer)
