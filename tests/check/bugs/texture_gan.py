import torch
from torch import nn

torch.manual_seed(7)

Z, PIX = 6, 16
G = nn.Sequential(nn.Linear(Z, 24), nn.ReLU(), nn.Linear(24, PIX), nn.Tanh())
D = nn.Sequential(nn.Linear(PIX, 24), nn.LeakyReLU(0.2), nn.Linear(24, 1))
opt_g = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.99))
opt_d = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.99))
bce = nn.BCEWithLogitsLoss()


def textures(n):
    base = torch.linspace(0, 6.28, PIX)
    return torch.sin(base * torch.randint(1, 4, (n, 1)) + torch.rand(n, 1) * 6.28)


def losses(real):
    n = real.shape[0]
    fake = G(torch.randn(n, Z))
    d_loss = bce(D(real), torch.ones(n, 1)) + bce(D(fake.detach()), torch.zeros(n, 1))
    g_loss = bce(D(fake), torch.ones(n, 1))
    return d_loss, g_loss


for step in range(3):
    d_loss, g_loss = losses(textures(20))

    opt_d.zero_grad()
    d_loss.backward()
    opt_d.step()

    opt_g.zero_grad()
    g_loss.backward()
    opt_g.step()
    print(step, d_loss.item(), g_loss.item())
