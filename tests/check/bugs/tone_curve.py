import torch
from torch import nn


class Develop(nn.Module):
    """A small learnable darkroom."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(3, 1, 1))
        self.tint = nn.Conv2d(3, 3, 1)

    def forward(self, raw):
        light = self.gain * raw
        shadows = light.pow(0.45)
        return self.tint(shadows).clamp(max=1.0)


def luminance(img):
    return (img * torch.tensor([0.21, 0.72, 0.07]).view(3, 1, 1)).sum(1)


torch.manual_seed(8)
net = Develop()
opt = torch.optim.SGD(net.parameters(), lr=0.01)
raw = (torch.rand(2, 3, 10, 10) - 0.1).clamp(min=0)
finished = raw.sqrt().clamp(0.1, 0.9)
for step in range(4):
    developed = net(raw)
    loss = (luminance(developed) - luminance(finished)).abs().mean()
    loss.backward()
    opt.step()
    opt.zero_grad()
    print(step, loss.item())
