import numpy as np
import torch
from torch import nn


class Pendulum:
    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.frame = np.zeros(3, dtype=np.float32)

    def reset(self):
        self.theta, self.speed = self.rng.uniform(-1, 1), 0.0
        return self.render()

    def render(self):
        self.frame[:] = [np.cos(self.theta), np.sin(self.theta), self.speed]
        return torch.from_numpy(self.frame)

    def step(self, torque):
        self.speed += 0.05 * (15 * np.sin(self.theta) + 3 * torque)
        self.theta += 0.05 * self.speed
        return self.render(), -(self.theta ** 2 + 0.1 * self.speed ** 2)


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean = nn.Linear(3, 1)
        self.log_std = nn.Parameter(torch.zeros(1))

    def act(self, obs):
        d = torch.distributions.Normal(self.mean(obs), self.log_std.exp())
        a = d.sample()
        return float(a), d.log_prob(a).sum()


torch.manual_seed(5)
env, actor = Pendulum(), Actor()
opt = torch.optim.Adam(actor.parameters(), lr=1e-2)
for episode in range(3):
    obs, logp, rewards = env.reset(), [], []
    for _ in range(8):
        torque, lp = actor.act(obs)
        obs, r = env.step(torque)
        logp.append(lp)
        rewards.append(r)
    ret = torch.tensor(np.cumsum(rewards[::-1])[::-1].copy(), dtype=torch.float32)
    loss = -(torch.stack(logp) * (ret - ret.mean())).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(episode, float(ret[0]))
