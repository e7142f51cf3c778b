"""WGAN with weight clipping: five critic steps to one of the generator."""

import torch
from torch import nn

torch.manual_seed(0)
netG = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
netD = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Linear(32, 1))
optimizerD = torch.optim.RMSprop(netD.parameters(), lr=5e-3)
optimizerG = torch.optim.RMSprop(netG.parameters(), lr=5e-3)
one = torch.tensor(1.0)
mone = -one

for iteration in range(60):
    for p in netD.parameters():
        p.requires_grad = True
    for _ in range(5):
        for p in netD.parameters():
            p.data.clamp_(-0.1, 0.1)
        netD.zero_grad()
        errD_real = netD(torch.randn(64, 1) * 0.3 + 1.5).mean()
        errD_real.backward(mone)
        with torch.no_grad():
            fake = netG(torch.randn(64, 2))
        errD_fake = netD(fake).mean()
        errD_fake.backward(one)
        optimizerD.step()

    for p in netD.parameters():
        p.requires_grad = False
    netG.zero_grad()
    errG = netD(netG(torch.randn(64, 2))).mean()
    errG.backward(mone)
    optimizerG.step()

with torch.no_grad():
    mean = netG(torch.randn(1000, 2)).mean().item()
print(f"mean of the samples {mean:.2f}")
assert abs(mean - 1.5) < 0.8
