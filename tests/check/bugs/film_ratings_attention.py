import torch
from torch import nn


class Rater(nn.Module):
    def __init__(self, films=30, users=20, k=8):
        super().__init__()
        self.film = nn.Embedding(films, k)
        self.user = nn.Embedding(users, k)
        self.ask = nn.Linear(k, k, bias=False)
        self.key = nn.Linear(k, k, bias=False)
        self.bias = nn.Parameter(torch.tensor(3.0))

    def forward(self, u, f):
        a, b = self.user(u), self.film(f)
        scores = (self.ask(a) * self.key(b)).sum(-1, keepdim=True)
        weights = torch.softmax(scores / 8 ** 0.5, dim=-1)
        return self.bias + (weights * a * b).sum(-1)


def sample(n):
    u, f = torch.randint(0, 20, (n,)), torch.randint(0, 30, (n,))
    return u, f, ((u + f) % 5).float() + 1


torch.manual_seed(19)
rater = Rater()
opt = torch.optim.Adam(rater.parameters(), lr=0.02)
for it in range(5):
    u, f, stars = sample(64)
    mse = (rater(u, f) - stars).square().mean()
    opt.zero_grad()
    mse.backward()
    opt.step()
    print(f"{it:2d} {mse.item():.3f}")
