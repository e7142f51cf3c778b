import torch
from torch import nn


class Transfer(nn.Module):
    def __init__(self, trunk: nn.Module, width: int, kinds: int):
        super().__init__()
        self.trunk = trunk
        for p in self.trunk.parameters():
            p.requires_grad_(False)
        self.head = nn.Linear(width, kinds)

    def forward(self, x):
        return self.head(self.trunk(x))


def pretrained(seed):
    g = torch.Generator().manual_seed(seed)
    conv = nn.Conv2d(1, 6, 3)
    with torch.no_grad():
        conv.weight.copy_(torch.randn(conv.weight.shape, generator=g) * 0.3)
    trunk = nn.Sequential(conv, nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    trunk[1].running_mean.fill_(0.2)
    return trunk


def finetune(net, batches, lr=1e-2):
    opt = torch.optim.Adam((p for p in net.parameters() if p.requires_grad), lr=lr)
    net.train()
    for x, y in batches:
        loss = nn.functional.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(loss.item())


torch.manual_seed(12)
net = Transfer(pretrained(0), 6, 3)
finetune(net, [(torch.randn(8, 1, 9, 9) * 3 + 1, torch.randint(0, 3, (8,))) for _ in range(5)])
