import torch
from torch import nn


class Layout(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.spots = nn.Parameter(torch.rand(n, 2) * 4)

    def forward(self):
        away = self.spots[:, None] - self.spots[None]
        distance = away.square().sum(-1).sqrt()
        crowding = torch.exp(-distance)
        crowding = crowding - torch.diag(torch.diag(crowding))
        edge = (self.spots - 2).abs().clamp(min=1.5).sum()
        return crowding.sum() / 2 + 0.1 * edge


torch.manual_seed(4)
layout = Layout(7)
solver = torch.optim.Adam(layout.parameters(), lr=0.05)

best = None
for sweep in range(5):
    solver.zero_grad()
    energy = layout()
    energy.backward()
    solver.step()
    value = energy.item()
    if best is None or value < best[0]:
        best = (value, layout.spots.detach().clone())
    print(sweep, value, layout.spots[0].tolist())
