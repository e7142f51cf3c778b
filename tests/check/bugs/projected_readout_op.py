import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Readout(Function):
    @staticmethod
    def forward(ctx, x, basis, shift):
        ctx.save_for_backward(x, basis)
        return x @ basis.t() + shift

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        x, basis = ctx.saved_tensors
        dx = dy @ basis
        dbasis = x.t() @ dy
        return dx, dbasis, dy.sum(0)


class Calibrate(nn.Module):
    def __init__(self, channels: int, sources: int):
        super().__init__()
        self.basis = nn.Parameter(torch.randn(sources, channels) * 0.3)
        self.shift = nn.Parameter(torch.zeros(sources))

    def forward(self, x):
        return Readout.apply(x, self.basis, self.shift)


def main():
    torch.manual_seed(3)
    net = Calibrate(4, 3)
    opt = torch.optim.LBFGS(net.parameters(), lr=0.5, max_iter=4)
    raw = torch.randn(30, 4)
    true = raw[:, :3] * torch.tensor([1.0, 2.0, 0.5]) + 0.3

    def closure():
        opt.zero_grad()
        loss = (net(raw) - true).square().mean()
        loss.backward()
        return loss

    for k in range(3):
        print(k, opt.step(closure).item())


main()
