import torch
from torch import nn
from torch.distributions import Categorical


class Gambler(nn.Module):
    def __init__(self, arms, context):
        super().__init__()
        self.score = nn.Linear(context, arms)
        self.saved = []
        self.rewards = []

    def forward(self, c):
        d = Categorical(logits=self.score(c))
        a = d.sample()
        self.saved.append(d.log_prob(a))
        return a


class Machine:
    def __init__(self, arms, context):
        self.w = torch.randn(context, arms)

    def pull(self, c, a):
        return (c @ self.w)[torch.arange(len(a)), a].tanh()


def finish(policy, opt):
    loss = 0
    for logp, r in zip(policy.saved, policy.rewards):
        loss = loss - (logp * (r - r.mean())).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    policy.rewards = policy.rewards[-50:]
    return loss.item()


torch.manual_seed(17)
policy, machine = Gambler(4, 6), Machine(4, 6)
opt = torch.optim.Adam(policy.parameters(), lr=0.02)
for update in range(3):
    for _ in range(5):
        c = torch.randn(8, 6)
        a = policy(c)
        policy.rewards.append(machine.pull(c, a))
    print(update, finish(policy, opt))
