import torch
from torch import nn, optim


def block(i, o):
    return nn.Sequential(nn.Linear(i, o), nn.LeakyReLU(0.2))


class Disc(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.body = block(size, 20)
        self.out = nn.Linear(20, 1)

    def forward(self, glyph):
        return self.out(self.body(glyph)).squeeze(1)


class Gen(nn.Module):
    def __init__(self, z, size):
        super().__init__()
        self.z = z
        self.net = nn.Sequential(block(z, 20), nn.Linear(20, size), nn.Sigmoid())

    def forward(self, n):
        return self.net(torch.randn(n, self.z))


def real_glyphs(n):
    grid = torch.zeros(n, 5, 5)
    grid[torch.arange(n), torch.randint(0, 5, (n,))] = 1.0
    return grid.flatten(1)


torch.manual_seed(2)
disc, gen = Disc(25), Gen(4, 25)
opt_d = optim.Adam(disc.parameters(), lr=1e-3)
opt_g = optim.Adam(gen.parameters(), lr=1e-3)
for it in range(6):
    real, fake = disc(real_glyphs(16)), disc(gen(16).detach())
    d_loss = torch.relu(1 - real).mean() + torch.relu(1 + fake).mean()
    d_loss.backward()
    opt_d.step()

    g_loss = -disc(gen(16)).mean()
    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
    print(it, round(d_loss.item(), 4), round(g_loss.item(), 4))
