import warnings
import torch
from torch import nn

warnings.filterwarnings("ignore")


class Critic(nn.Module):
    def __init__(self, obs, act):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(obs + act, 24), nn.ReLU(), nn.Linear(24, 1))

    def forward(self, obs, act):
        return self.net(torch.cat([obs, act], -1)).squeeze(-1)


class Replay:
    def __init__(self, size, obs, act):
        self.obs, self.act = torch.randn(size, obs), torch.randn(size, act)
        self.next = self.obs + 0.1 * torch.randn(size, obs)
        self.reward = -(self.obs[:, :act] - self.act).square().sum(1, keepdim=True)

    def sample(self, n):
        i = torch.randint(0, len(self.obs), (n,))
        return self.obs[i], self.act[i], self.reward[i], self.next[i]


torch.manual_seed(8)
critic, old = Critic(4, 2), Critic(4, 2)
old.load_state_dict(critic.state_dict())
opt = torch.optim.Adam(critic.parameters(), lr=3e-3)
replay = Replay(500, 4, 2)
for it in range(5):
    obs, act, reward, following = replay.sample(32)
    with torch.no_grad():
        future = old(following, torch.tanh(following[:, :2])).unsqueeze(1)
        target = reward + 0.9 * future
    q = critic(obs, act)
    loss = nn.functional.mse_loss(q, target)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(it, loss.item())
