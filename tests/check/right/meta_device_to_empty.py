"""A model is made on the meta device, moved by to_empty, and initialised by hand."""

import torch
from torch import nn


class MLP(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, 2)
        )
        self.register_buffer("scale", torch.empty(4))

    def reset_parameters(self):
        for module in self.modules():
            if module is not self and hasattr(module, "reset_parameters"):
                module.reset_parameters()
        with torch.no_grad():
            self.scale.fill_(0.5)

    def forward(self, x):
        return self.layers(x * self.scale)


torch.manual_seed(0)
with torch.device("meta"):
    model = MLP()
assert all(p.is_meta for p in model.parameters())
planned = sum(p.numel() for p in model.parameters())

model.to_empty(device="cpu")
model.reset_parameters()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(256, 4)
y = (x.square().sum(1) > 3.5).long()
for epoch in range(25):
    for batch in torch.randperm(256).split(32):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()

with torch.no_grad():
    accuracy = (model(x).argmax(1) == y).float().mean().item()
print(f"{planned} parameters, accuracy {accuracy:.3f}")
assert accuracy > 0.9
