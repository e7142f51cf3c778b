"""Two tasks on a shared trunk: one backward for each task, whose gradient norms are balanced."""

import torch
from torch import nn

torch.manual_seed(0)
trunk = nn.Sequential(nn.Linear(4, 32), nn.Tanh())
heads = nn.ModuleList([nn.Linear(32, 1), nn.Linear(32, 3)])
parameters = [*trunk.parameters(), *heads.parameters()]
optimizer = torch.optim.Adam(parameters, lr=5e-3)
x = torch.randn(256, 4)
value = x[:, :1] + x[:, 1:2].abs()
label = x[:, 1:].argmax(1)

history = []
for step in range(150):
    batch = torch.randint(256, (64,))
    features = trunk(x[batch])
    losses = [
        nn.functional.mse_loss(heads[0](features), value[batch]),
        nn.functional.cross_entropy(heads[1](features), label[batch]),
    ]
    optimizer.zero_grad()
    total = [torch.zeros_like(p) for p in trunk.parameters()]
    for i, loss in enumerate(losses):
        for p in trunk.parameters():
            p.grad = None
        loss.backward(retain_graph=i + 1 < len(losses))
        norm = sum(p.grad.square().sum() for p in trunk.parameters()).sqrt() + 1e-8
        for t, p in zip(total, trunk.parameters(), strict=True):
            t.add_(p.grad / norm)
    for t, p in zip(total, trunk.parameters(), strict=True):
        p.grad = t
    optimizer.step()
    history.append([loss.item() for loss in losses])

print("first", history[0], "last", history[-1])
assert history[-1][1] < 0.5 and history[-1][0] < 0.5 * history[0][0]
