import torch
from torch import nn
from torch.distributions import Categorical


class Corridor:
    """Walk right to the exit; every move costs a little."""

    def __init__(self, length=6):
        self.length = length

    def reset(self):
        self.at = 0
        return self.observe()

    def observe(self):
        return nn.functional.one_hot(torch.tensor(self.at), self.length).float()

    def move(self, a):
        self.at = min(max(self.at + (1 if a == 1 else -1), 0), self.length - 1)
        done = self.at == self.length - 1
        return self.observe(), 1.0 if done else -0.05, done


def episode(env, policy, limit=20):
    obs, rewards, logp = env.reset(), [], []
    for _ in range(limit):
        d = Categorical(logits=policy(obs))
        a = d.sample()
        obs, r, done = env.move(a.item())
        logp.append(d.log_prob(a))
        rewards.append(r)
        if done:
            break
    return torch.stack(logp).tolist(), rewards


def returns(rewards, gamma=0.97):
    out, g = [], 0.0
    for r in reversed(rewards):
        g = r + gamma * g
        out.insert(0, g)
    return torch.tensor(out)


torch.manual_seed(1)
policy = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
opt = torch.optim.Adam(policy.parameters(), lr=0.02)
for ep in range(3):
    logp, rewards = episode(Corridor(), policy)
    surrogate = -(torch.tensor(logp) * returns(rewards)).sum()
    opt.zero_grad()
    surrogate.backward()
    opt.step()
    print(ep, sum(rewards))
