"""Fine-tuning in two stages: head first, then the backbone by add_param_group."""

import torch
from torch import nn


def make():
    backbone = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
    return nn.Sequential(backbone, nn.Linear(16, 3))


torch.manual_seed(0)
x = torch.randn(300, 8)
y = (x[:, :3] * torch.tensor([1.0, 2.0, -1.0])).argmax(1)
model = make()
for p in model[0].parameters():
    p.requires_grad = False

optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-2)
start = [p.clone() for p in model[0].parameters()]
losses = []
for epoch in range(12):
    if epoch == 5:
        assert all(torch.equal(a, b) for a, b in zip(start, model[0].parameters(), strict=True))
        model[0].requires_grad_(True)
        optimizer.add_param_group({"params": model[0].parameters(), "lr": 3e-3})
    for batch in torch.randperm(300).split(50):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        losses.append(nn.functional.cross_entropy(model(x), y).item())

print("frozen:", [round(v, 3) for v in losses[:5]], "all:", [round(v, 3) for v in losses[5:]])
assert losses[-1] < losses[4] - 0.1
