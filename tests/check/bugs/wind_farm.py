import torch
from torch import nn, Tensor


class TurbineField(nn.Module):
    """Power of each turbine given what its neighbours take out of the wind."""

    def __init__(self, features: int, width: int):
        super().__init__()
        self.wake = nn.Linear(features * 2, 1)
        self.own = nn.Linear(features, width)
        self.power = nn.Linear(width, 1)

    def pairwise(self, x: Tensor) -> Tensor:
        n = x.shape[0]
        left = x.unsqueeze(1).expand(n, n, -1)
        right = x.unsqueeze(0).expand(n, n, -1)
        return self.wake(torch.cat([left, right], dim=-1)).squeeze(-1)

    def forward(self, x: Tensor) -> Tensor:
        scores = self.pairwise(x)
        influence = torch.softmax(scores, dim=1).detach()
        h = torch.tanh(self.own(x))
        mixed = influence @ h
        return self.power(h - 0.3 * mixed).squeeze(-1)


torch.manual_seed(4)
farm = TurbineField(features=3, width=8)
optim = torch.optim.Adam(farm.parameters(), lr=1e-2)
layout = torch.rand(12, 3)
measured = layout[:, 0] * 2 - layout[:, 1].roll(1)

for it in range(4):
    optim.zero_grad()
    predicted = farm(layout)
    err = nn.functional.mse_loss(predicted, measured)
    err.backward()
    optim.step()
    print(f"iteration {it}: error {err.detach():.4f}")
