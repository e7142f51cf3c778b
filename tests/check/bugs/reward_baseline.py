import torch
from torch import nn


class Agent:
    def __init__(self):
        self.net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
        self.value = nn.Linear(4, 1)
        self.baseline = torch.zeros(())
        params = [*self.net.parameters(), *self.value.parameters()]
        self.opt = torch.optim.Adam(params, lr=5e-3)

    def learn(self, state):
        dist = torch.distributions.Categorical(logits=self.net(state))
        action = dist.sample()
        reward = (action == state.argmax(1).clamp(max=2)).float()
        value = self.value(state).squeeze(1)
        self.baseline = 0.9 * self.baseline + 0.1 * value.mean()
        gain = reward - self.baseline.item()
        loss = -(dist.log_prob(action) * gain).mean() + (value - reward).square().mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return reward.mean().item()


def depth(t):
    n, fn = 0, t.grad_fn
    while fn is not None and fn.next_functions:
        n, fn = n + 1, fn.next_functions[0][0]
    return n


torch.manual_seed(24)
agent = Agent()
for it in range(40):
    r = agent.learn(torch.randn(64, 4))
    if it % 10 == 9:
        print(it, "reward", round(r, 3), "baseline", round(agent.baseline.item(), 3))
