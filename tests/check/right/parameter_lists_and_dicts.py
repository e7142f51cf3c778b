"""Low-rank factors in a ParameterList, scales in a ParameterDict, running means as buffers."""

import torch
from torch import nn


class Factorized(nn.Module):
    def __init__(self, sizes, rank, domains):
        super().__init__()
        self.left = nn.ParameterList(
            nn.Parameter(torch.randn(a, rank) / a**0.5) for a in sizes[:-1]
        )
        self.right = nn.ParameterList(
            nn.Parameter(torch.randn(rank, b) / rank**0.5) for b in sizes[1:]
        )
        self.scales = nn.ParameterDict({d: nn.Parameter(torch.ones(sizes[-1])) for d in domains})
        self.register_buffer("mean", torch.zeros(sizes[0]))
        self.register_buffer("count", torch.tensor(0), persistent=False)

    def forward(self, x, domain):
        if self.training:
            with torch.no_grad():
                self.count += 1
                self.mean += (x.mean(0) - self.mean) / self.count
        x = x - self.mean
        for i, (left, right) in enumerate(zip(self.left, self.right, strict=True)):
            x = x @ left @ right
            if i + 1 < len(self.left):
                x = torch.tanh(x)
        return x * self.scales[domain]


torch.manual_seed(0)
factors = {"celsius": 1.0, "fahrenheit": 1.8}
model = Factorized([5, 32, 32, 1], rank=6, domains=factors)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
losses = []
for step in range(200):
    domain = "celsius" if step % 2 else "fahrenheit"
    x = torch.randn(64, 5) + 3
    y = factors[domain] * torch.sin(x[:, :1] - 3)
    loss = nn.functional.mse_loss(model(x, domain), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"{losses[0]:.3f} -> {losses[-1]:.4f}, mean {model.mean.mean():.2f}")
assert "mean" in model.state_dict() and "count" not in model.state_dict()
assert losses[-1] < 0.1 and abs(model.mean.mean().item() - 3) < 0.1
