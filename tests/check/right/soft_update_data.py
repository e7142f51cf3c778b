"""DDPG-like update on one-step problems, soft targets by .data.copy_."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

TAU = 0.05


def soft_update(target, source):
    for t, s in zip(target.parameters(), source.parameters(), strict=True):
        t.data.copy_(t.data * (1.0 - TAU) + s.data * TAU)


torch.manual_seed(0)
actor = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 1), nn.Tanh())
critic = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
actor_target, critic_target = copy.deepcopy(actor), copy.deepcopy(critic)
actor_optimizer = torch.optim.Adam(actor.parameters(), lr=3e-3)
critic_optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
goal = torch.tensor([[0.6], [-0.4]])

for step in range(200):
    state, following = torch.rand(64, 2) * 2 - 1, torch.rand(64, 2) * 2 - 1
    with torch.no_grad():
        action = (actor(state) + 0.3 * torch.randn(64, 1)).clamp(-1, 1)
        reward = -((action - state @ goal) ** 2)
        next_q = critic_target(torch.cat([following, actor_target(following)], 1))
        y = reward + 0.3 * next_q

    critic_loss = F.mse_loss(critic(torch.cat([state, action], 1)), y)
    critic_optimizer.zero_grad()
    critic_loss.backward()
    critic_optimizer.step()

    actor_loss = -critic(torch.cat([state, actor(state)], 1)).mean()
    actor_optimizer.zero_grad()
    actor_loss.backward()
    actor_optimizer.step()

    soft_update(actor_target, actor)
    soft_update(critic_target, critic)

with torch.no_grad():
    state = torch.rand(256, 2) * 2 - 1
    error = F.mse_loss(actor(state), state @ goal).item()
print(f"error of the policy: {error:.4f}")
assert error < 0.1
