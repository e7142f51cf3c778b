"""PPO: one rollout, four epochs of minibatches over it, clipped ratio."""

import torch
from torch import nn
from torch.distributions import Normal

torch.manual_seed(0)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = nn.Linear(2, 1)
        self.log_std = nn.Parameter(torch.zeros(1))
        self.value = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))

    def distribution(self, x):
        mean = self.mean(x)
        return Normal(mean, self.log_std.expand_as(mean).exp())


policy = Policy()
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2, eps=1e-5)


def reward_of(x, action):
    return -((action - (x[:, :1] - 2 * x[:, 1:])) ** 2).squeeze(1)


curve = []
for iteration in range(25):
    x = torch.rand(128, 2) * 2 - 1
    with torch.no_grad():
        d = policy.distribution(x)
        action = d.sample()
        old_log_prob = d.log_prob(action).sum(-1)
        reward = reward_of(x, action)
        advantage = reward - policy.value(x).squeeze(-1)
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    curve.append(reward.mean().item())
    for _ in range(4):
        for index in torch.randperm(128).split(64):
            d = policy.distribution(x[index])
            ratio = (d.log_prob(action[index]).sum(-1) - old_log_prob[index]).exp()
            a = advantage[index]
            policy_loss = -torch.min(ratio * a, ratio.clamp(0.8, 1.2) * a).mean()
            value_loss = (policy.value(x[index]).squeeze(-1) - reward[index]).pow(2).mean()
            loss = policy_loss + 0.5 * value_loss - 1e-3 * d.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimizer.step()

print(f"reward {curve[0]:.2f} -> {curve[-1]:.2f}")
assert curve[-1] > curve[0] + 1
