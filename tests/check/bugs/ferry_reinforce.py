import torch
from torch import nn
from torch.distributions import Bernoulli

GAMMA = 0.95


class Ferry:
    def __init__(self, rng):
        self.rng = rng

    def run(self, policy, limit=8):
        logp, rewards = [], []
        water = torch.randn(3, generator=self.rng)
        for _ in range(limit):
            choice = Bernoulli(logits=policy(water).squeeze())
            go = choice.sample()
            logp.append(choice.log_prob(go))
            rewards.append(float(1 - water.abs().max()) if go else -0.1)
            if go:
                break
            water = 0.5 * water + torch.randn(3, generator=self.rng)
        return torch.stack(logp), rewards


def discounted(rewards):
    out = []
    running = 0.0
    for r in reversed(rewards):
        running = r + GAMMA * running
        out.append(running)
    returns = torch.tensor(out[::-1])
    return (returns - returns.mean()) / (returns.std() + 1e-8)


torch.manual_seed(6)
policy = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 1))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
ferry = Ferry(torch.Generator().manual_seed(1))
for episode in range(6):
    logp, rewards = ferry.run(policy)
    advantage = discounted(rewards)
    loss = -(logp * advantage).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(episode, len(rewards), loss.item())
