import torch
from torch import nn
from torch.distributions import Normal


class Arm(nn.Module):
    def __init__(self, obs, act):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(obs, 16), nn.ReLU())
        self.mean = nn.Linear(16, act)
        self.spread = nn.Parameter(torch.zeros(act))

    def dist(self, obs):
        return Normal(self.mean(self.body(obs)), self.spread.exp(), validate_args=False)

    def act(self, obs):
        with torch.no_grad():
            return torch.tanh(self.dist(obs).sample())

    def log_prob(self, obs, action):
        u = torch.atanh(action)
        change = torch.log(1 - action.square() + 1e-6)
        return (self.dist(obs).log_prob(u) - change).sum(-1)


torch.manual_seed(2)
arm = Arm(4, 2)
opt = torch.optim.Adam(arm.parameters(), lr=1e-2)
for it in range(4):
    obs = torch.randn(48, 4) * 40
    action = arm.act(obs)
    reward = -(action - obs[:, :2].sign()).square().sum(-1)
    loss = -(arm.log_prob(obs, action) * (reward - reward.mean())).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(it, loss.item(), reward.mean().item())
