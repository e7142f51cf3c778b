import torch
from torch import nn


def penalty(module: nn.Module, strength: float) -> torch.Tensor:
    total = torch.zeros(())
    for name, p in module.named_parameters():
        if name.endswith("weight"):
            total = total + p.data.abs().sum()
    return strength * total


def objective(net, x, y, strength):
    fit = nn.functional.mse_loss(net(x), y)
    shrink = penalty(net, strength)
    return fit + shrink, {"fit": fit.item(), "shrink": shrink.item()}


torch.manual_seed(21)
n, d = 60, 15
x = torch.randn(n, d)
y = (x[:, :2] @ torch.tensor([[2.0], [-1.5]])) + 0.1 * torch.randn(n, 1)

net = nn.Sequential(nn.Linear(d, 8), nn.Tanh(), nn.Linear(8, 1))
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(6):
    opt.zero_grad()
    loss, parts = objective(net, x, y, strength=1e-2)
    loss.backward()
    opt.step()
    print(epoch, {k: round(v, 4) for k, v in parts.items()})
