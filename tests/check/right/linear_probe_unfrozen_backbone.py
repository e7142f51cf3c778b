"""A linear probe on random features: only the head is given to the optimizer."""

import torch
from torch import nn

torch.manual_seed(0)
backbone = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
head = nn.Linear(64, 2)
optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)

x = torch.randn(512, 2)
y = (x.prod(1) > 0).long()
for epoch in range(15):
    for batch in torch.randperm(512).split(64):
        loss = nn.functional.cross_entropy(head(backbone(x[batch])), y[batch])
        # zero_grad of both: the backbone is looked at below and is not to pile up gradients
        backbone.zero_grad()
        head.zero_grad()
        loss.backward()
        optimizer.step()

# Where would fine-tuning move the backbone most? The gradients are wanted, the steps are not.
norms = {name: p.grad.norm().item() for name, p in backbone.named_parameters()}
accuracy = (head(backbone(x)).argmax(1) == y).float().mean().item()
print(f"accuracy {accuracy:.3f}, largest gradient at {max(norms, key=norms.get)}")
assert accuracy > 0.8
