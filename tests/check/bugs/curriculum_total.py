from typing import List, Tuple
import torch
from torch import nn, Tensor


def lessons(n: int) -> List[Tuple[Tensor, Tensor]]:
    out = []
    for level in range(1, n + 1):
        x = torch.randn(24, 5)
        out.append((x, (x[:, :1] * level).sin()))
    return out


def train(net: nn.Module, data: List[Tuple[Tensor, Tensor]], lr: float) -> Tensor:
    opt = torch.optim.SGD(net.parameters(), lr=lr)
    loss_fn = nn.SmoothL1Loss()
    total = torch.zeros(())
    for level, (x, y) in enumerate(data):
        opt.zero_grad()
        out = net(x)
        total = total + loss_fn(out, y)
        total.backward()
        opt.step()
        print("level", level, "so far", total.item())
    return total


torch.manual_seed(12)
net = nn.Sequential(nn.Linear(5, 16), nn.Softplus(), nn.Linear(16, 1))
train(net, lessons(4), lr=0.02)
