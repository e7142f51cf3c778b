import torch
from torch import nn


def build(width):
    return nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 1))


def curvature(net, x, y):
    """How much a step along the gradient would change the gradient."""
    params = list(net.parameters())
    loss = nn.functional.mse_loss(net(x), y)
    loss.backward(create_graph=True)
    slope = sum(p.grad.square().sum() for p in params)
    bend = torch.autograd.grad(slope, params)
    return loss.item(), sum(b.square().sum().item() for b in bend) ** 0.5


def survey(widths, repeats):
    x = torch.randn(64, 6)
    y = x[:, :1] - x[:, 1:2].square()
    for width in widths:
        found = [curvature(build(width), x, y) for _ in range(repeats)]
        losses, bends = zip(*found)
        yield width, sum(losses) / repeats, max(bends)


torch.manual_seed(25)
for width, loss, bend in survey([8, 16, 32], repeats=5):
    print(f"{width:3d} {loss:.4f} {bend:.4f}")
