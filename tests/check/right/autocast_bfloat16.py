"""Training in bfloat16 autocast on the CPU; the region is entered anew for each step."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(10, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU())
        self.norm = nn.LayerNorm(64)
        self.head = nn.Linear(64, 3)

    def forward(self, x):
        return self.head(self.norm(self.features(x)))


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = (model(x).argmax(1) == y).float().mean().item()
    model.train()
    return result


torch.manual_seed(0)
x = torch.randn(300, 10)
y = (x @ torch.randn(10, 3)).argmax(1)
model = Net()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(10):
    for batch in torch.randperm(300).split(50):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(x[batch])
            assert logits.dtype == torch.bfloat16
            loss = nn.functional.cross_entropy(logits, y[batch])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

assert all(p.dtype == p.grad.dtype == torch.float32 for p in model.parameters())
print(f"accuracy {accuracy(model, x, y):.3f}")
assert accuracy(model, x, y) > 0.85
