"""A policy by clipped ratios (PPO): sampling without gradients, advantages, entropy, a break."""

from collections import namedtuple

import torch
from _digest import report, seed
from torch import nn
from torch.distributions import Categorical

seed(23)
Step = namedtuple("Step", "state action logp reward value")


class Policy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 16), nn.Tanh())
        self.actor, self.critic = nn.Linear(16, 2), nn.Linear(16, 1)
        for layer in (self.actor, self.critic):
            nn.init.orthogonal_(layer.weight, gain=0.01)

    def forward(self, state):
        h = self.body(state)
        return Categorical(logits=self.actor(h)), self.critic(h).squeeze(-1)


def rollout(policy, length):
    state, steps = torch.zeros(3), []
    for _ in range(length):
        with torch.no_grad():
            dist, value = policy(state)
        action = dist.sample()
        reward = float(1.0 if action.item() == int(state.sum() > 0) else -1.0)
        steps.append(Step(state, action, dist.log_prob(action), reward, value))
        state = (state * 0.9 + torch.randn(3) * 0.5).clamp(-2, 2)
    return steps


def advantages(steps, gamma=0.95, lam=0.9):
    found, running, following = [], 0.0, 0.0
    for step in reversed(steps):
        delta = step.reward + gamma * following - step.value.item()
        running = delta + gamma * lam * running
        following = step.value.item()
        found.insert(0, running)
    return torch.tensor(found)


policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3, eps=1e-5)
for update in range(2):
    steps = rollout(policy, 8)
    states, actions, old = (
        torch.stack([getattr(s, k) for s in steps]) for k in ("state", "action", "logp")
    )
    gain = advantages(steps)
    returns = gain + torch.stack([s.value for s in steps])
    gain = (gain - gain.mean()) / (gain.std() + 1e-8)
    for epoch in range(3):
        for batch in torch.randperm(8).split(4):
            dist, value = policy(states[batch])
            ratio = (dist.log_prob(actions[batch]) - old[batch]).exp()
            clipped = ratio.clamp(0.8, 1.2)
            actor = -torch.min(ratio * gain[batch], clipped * gain[batch]).mean()
            critic = (value - returns[batch]).pow(2).mean()
            loss = actor + 0.5 * critic - 0.01 * dist.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimizer.step()
        if (1 - ratio).abs().max() > 0.02:
            print(f"  early stop in epoch {epoch}")
            break
    print(f"update {update} reward {sum(s.reward for s in steps):.1f} loss {loss.item():.6f}")
report(policy=policy, optimizer=optimizer)
