import torch
from torch import nn


class Gravity(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))

    def forward(self, state):
        pos, vel = state[..., :2], state[..., 2:]
        pull = self.net(state) - pos / (1 + pos.square().sum(-1, keepdim=True))
        return torch.cat([vel, pull], dim=-1)


def rollout(field, start, n, dt):
    path = torch.empty(n + 1, *start.shape)
    path[0] = start
    for i in range(n):
        here = path[i]
        k1 = field(here)
        k2 = field(here + 0.5 * dt * k1)
        path[i + 1] = here + dt * k2
    return path


def true_orbit(start, n, dt):
    rows = [start]
    for _ in range(n):
        p, v = rows[-1][:, :2], rows[-1][:, 2:]
        rows.append(torch.cat([p + dt * v, v - dt * p], 1))
    return torch.stack(rows)


torch.manual_seed(3)
field = Gravity()
opt = torch.optim.Adam(field.parameters(), lr=1e-2)
for it in range(2):
    start = torch.randn(8, 4)
    loss = (rollout(field, start, 6, 0.1) - true_orbit(start, 6, 0.1)).abs().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(it, loss.item())
