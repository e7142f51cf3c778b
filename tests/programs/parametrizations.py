"""A DCGAN with spectral and weight norm: parametrized weights, frozen for a while, and a hook."""

import torch
from _digest import report, seed
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

seed(25)


def weights_init(module):
    name = type(module).__name__
    if name.find("Conv") != -1 and not hasattr(module, "parametrizations"):
        nn.init.normal_(module.weight.data, 0.0, 0.02)
    elif name.find("BatchNorm") != -1:
        nn.init.normal_(module.weight.data, 1.0, 0.02)
        nn.init.constant_(module.bias.data, 0)


netG = nn.Sequential(
    nn.ConvTranspose2d(5, 8, 4, 1, 0, bias=False),
    nn.BatchNorm2d(8),
    nn.ReLU(True),
    nn.ConvTranspose2d(8, 1, 4, 2, 1, bias=False),
    nn.Tanh(),
)
netD = nn.Sequential(
    spectral_norm(nn.Conv2d(1, 4, 4, 2, 1, bias=False)),
    nn.LeakyReLU(0.2, inplace=True),
    weight_norm(nn.Conv2d(4, 8, 3, 1, 1)),
    nn.InstanceNorm2d(8, affine=True),
    nn.LeakyReLU(0.2, inplace=True),
    nn.Dropout2d(0.2),
    nn.Conv2d(8, 1, 4, 1, 0, bias=False),
)
netG.apply(weights_init)
netD.apply(weights_init)
criterion = nn.BCEWithLogitsLoss()
fixed = torch.randn(2, 5, 1, 1)
optimizerD = torch.optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999), amsgrad=True)
optimizerG = torch.optim.Adam(netG.parameters(), lr=2e-4, betas=(0.5, 0.999), foreach=False)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizerG, 1e-3, total_steps=4)
seen = []
netG[0].weight.register_post_accumulate_grad_hook(
    lambda p: seen.append(round(p.grad.norm().item(), 6))
)
for i in range(2):
    real = torch.rand(4, 1, 8, 8) * 2 - 1
    netD.zero_grad()
    label = torch.full((4,), 0.9)
    errD_real = criterion(netD(real).view(-1), label)
    errD_real.backward()
    fake = netG(torch.randn(4, 5, 1, 1))
    label.fill_(0.0)
    output = netD(fake.detach()).view(-1)
    errD_fake = criterion(output, label)
    errD_fake.backward()
    optimizerD.step()
    netG.zero_grad()
    label.fill_(1.0)
    netD.requires_grad_(False)
    errG = criterion(netD(fake).view(-1), label)
    errG.backward()
    netD.requires_grad_(True)
    optimizerG.step()
    scheduler.step()
    print(f"[{i}/2] D {(errD_real + errD_fake).item():.6f} G {errG.item():.6f}")
with torch.no_grad():
    netG.eval()
    print(f"{netG(fixed).mean().item():.6f}", seen)
report(netG=netG, netD=netD, optimizerD=optimizerD, optimizerG=optimizerG)
