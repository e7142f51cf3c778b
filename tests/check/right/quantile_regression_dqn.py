"""Quantile temporal differences: every target quantile against every predicted one."""

import torch
from torch import nn

torch.manual_seed(0)
N, STATES, GAMMA = 8, 3, 0.5
net = nn.Linear(STATES, N, bias=False)
target = nn.Linear(STATES, N, bias=False)
target.load_state_dict(net.state_dict())
optimizer = torch.optim.Adam(net.parameters(), lr=2e-2)
tau = (torch.arange(N) + 0.5) / N


def quantile_huber(prediction, goal, kappa=0.1):
    # (B, 1, N) - (B, N, 1): u[b, i, j] = goal_j - prediction_i
    u = goal.unsqueeze(1) - prediction.unsqueeze(2)
    huber = torch.where(u.abs() <= kappa, 0.5 * u**2, kappa * (u.abs() - 0.5 * kappa))
    weight = (tau.view(1, N, 1) - (u.detach() < 0).float()).abs()
    return (weight * huber / kappa).mean(2).sum(1).mean()


for step in range(400):
    state = torch.randint(STATES, (64,))
    reward = state.float() + torch.randn(64)
    with torch.no_grad():
        following = torch.eye(STATES)[(state + 1) % STATES]
        goal = reward.unsqueeze(1) + GAMMA * target(following)
    loss = quantile_huber(net(torch.eye(STATES)[state]), goal)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        target.load_state_dict(net.state_dict())

with torch.no_grad():
    quantiles = net(torch.eye(STATES)).sort(1).values
value = torch.linalg.solve(
    torch.eye(3) - GAMMA * torch.eye(3).roll(1, 1), torch.arange(3.0).unsqueeze(1)
).squeeze(1)
print("means", [round(v, 2) for v in quantiles.mean(1).tolist()], "true", value.tolist())
assert (quantiles.mean(1) - value).abs().max() < 0.5
assert (quantiles[:, -1] - quantiles[:, 0] > 0.8).all()
