"""REINFORCE on a bandit with contexts, running baseline."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
policy = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 3))
optimizer = torch.optim.Adam(policy.parameters(), lr=2e-2)
baseline = 0.0
history = []

for episode in range(60):
    log_probs, rewards, entropies = [], [], []
    for _ in range(10):
        context = torch.randint(3, ()).item()
        observation = torch.zeros(3)
        observation[context] = 1.0
        distribution = Categorical(logits=policy(observation))
        action = distribution.sample()
        rewards.append(1.0 if action.item() == (context + 1) % 3 else 0.0)
        log_probs.append(distribution.log_prob(action))
        entropies.append(distribution.entropy())
    advantage = torch.tensor(rewards) - baseline
    loss = -(torch.stack(log_probs) * advantage).mean() - 0.01 * torch.stack(entropies).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    mean = sum(rewards) / len(rewards)
    baseline = 0.9 * baseline + 0.1 * mean
    history.append(mean)

print("reward:", sum(history[:10]) / 10, "->", sum(history[-10:]) / 10)
assert sum(history[-10:]) / 10 > 0.8
