"""An ensemble with shared trunk: each member is compared with the same targets."""

import torch
from torch import nn


class Ensemble(nn.Module):
    def __init__(self, members, width=24):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(members, 2, width))
        self.b1 = nn.Parameter(torch.zeros(members, 1, width))
        self.w2 = nn.Parameter(torch.randn(members, width, 1) / width**0.5)

    def forward(self, x):
        h = torch.tanh(x.unsqueeze(0) @ self.w1 + self.b1)
        return (h @ self.w2).squeeze(-1)  # (members, samples)


torch.manual_seed(0)
model = Ensemble(6)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(200, 2)
y = x[:, 0] * x[:, 1].tanh()  # (samples,)
scale = torch.tensor([2.0])  # one number, of shape (1,)
losses = []
for step in range(150):
    batch = torch.randint(200, (64,))
    prediction = model(x[batch])
    residual = prediction - y[batch]  # (members, samples) - (samples,)
    loss = (scale * residual.square()).mean(1).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

with torch.no_grad():
    prediction = model(x)
    single = nn.functional.mse_loss(prediction, y.expand_as(prediction)).item()
    together = nn.functional.mse_loss(prediction.mean(0), y).item()
print(f"{losses[0]:.2f} -> {losses[-1]:.3f}; members {single:.4f}, together {together:.4f}")
assert together <= single and losses[-1] < 0.2 * losses[0]
