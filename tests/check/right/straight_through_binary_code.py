"""A binary autoencoder: sign in the forward pass, tanh in the backward pass, by detach."""

import torch
from torch import nn


class BinaryCode(nn.Module):
    def forward(self, h):
        soft = torch.tanh(h)
        hard = torch.where(h >= 0, 1.0, -1.0)
        if not self.training:
            return hard
        return soft + (hard - soft).detach()


torch.manual_seed(0)
BITS = 6
encoder = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, BITS))
code = BinaryCode()
decoder = nn.Sequential(nn.Linear(BITS, 32), nn.ReLU(), nn.Linear(32, 10))
model = nn.Sequential(encoder, code, decoder)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
patterns = torch.randn(16, 10)
for step in range(200):
    x = patterns[torch.randint(16, (64,))]
    loss = nn.functional.mse_loss(model(x), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

model.eval()
with torch.no_grad():
    bits = model[:2](patterns)
    error = nn.functional.mse_loss(model(patterns), patterns).item()
different = len({tuple(row) for row in bits.int().tolist()})
print(f"error {error:.3f}, {different} codes for 16 patterns")
assert error < 0.5 and different >= 10
