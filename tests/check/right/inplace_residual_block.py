"""A residual convolutional net with in-place addition and activation, as in many zoos."""

import torch
from torch import nn


class BasicBlock(nn.Module):
    def __init__(self, channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.AvgPool2d(stride) if stride > 1 else None

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1, bias=False),
    nn.BatchNorm2d(8),
    nn.ReLU(inplace=True),
    BasicBlock(8),
    BasicBlock(8, stride=2),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(8, 2),
)
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)


def stripes(n, size=8):
    y = torch.randint(2, (n,))
    wave = torch.sin(torch.arange(size) * 2.0 + torch.rand(n, 1) * 6)
    x = torch.where(y.view(-1, 1, 1) == 0, wave.unsqueeze(1), wave.unsqueeze(2))
    return x.unsqueeze(1) + 0.3 * torch.randn(n, 1, size, size), y


for step in range(40):
    x, y = stripes(32)
    loss = nn.functional.cross_entropy(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

net.eval()
with torch.no_grad():
    x, y = stripes(200)
    accuracy = (net(x).argmax(1) == y).float().mean().item()
print(f"accuracy {accuracy:.3f}")
assert accuracy > 0.9
