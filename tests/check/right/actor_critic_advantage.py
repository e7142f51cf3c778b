"""Advantage actor-critic with a shared trunk on a two-armed corridor."""

import torch
import torch.nn.functional as F
from torch import nn


class ActorCritic(nn.Module):
    def __init__(self, states=5, actions=2):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(states, 32), nn.Tanh())
        self.actor = nn.Linear(32, actions)
        self.critic = nn.Linear(32, 1)

    def forward(self, x):
        h = self.trunk(x)
        return torch.distributions.Categorical(logits=self.actor(h)), self.critic(h).squeeze(-1)


def rollout(model):
    position, records = 2, []
    for _ in range(20):
        observation = F.one_hot(torch.tensor(position), 5).float()
        distribution, value = model(observation)
        action = distribution.sample()
        position += 1 if action == 1 else -1
        done = position in (0, 4)
        reward = 1.0 if position == 4 else -0.05
        records.append((distribution.log_prob(action), distribution.entropy(), value, reward))
        if done:
            break
    return records


def returns_of(rewards, gamma=0.95):
    total, out = 0.0, []
    for reward in reversed(rewards):
        total = reward + gamma * total
        out.insert(0, total)
    return torch.tensor(out)


torch.manual_seed(2)
model = ActorCritic()
optimizer = torch.optim.RMSprop(model.parameters(), lr=5e-3)
for episode in range(80):
    log_probs, entropies, values, rewards = zip(*rollout(model), strict=True)
    log_probs, entropies, values = map(torch.stack, (log_probs, entropies, values))
    returns = returns_of(rewards)
    advantage = returns - values.detach()
    actor_loss = -(log_probs * advantage).sum()
    critic_loss = F.smooth_l1_loss(values, returns, reduction="sum")
    loss = actor_loss + critic_loss - 0.01 * entropies.sum()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 2.0)
    optimizer.step()

with torch.no_grad():
    right = model(torch.eye(5)[1:4])[0].probs[:, 1]
print("probability of going right:", right)
assert (right > 0.7).all()
