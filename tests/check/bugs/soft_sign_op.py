import torch
from torch import nn


class SoftStep(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.exp(-x * x)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, grad):
        x, y = ctx.saved_tensors
        return grad * 2 * x * y


class Bumps(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.place = nn.Linear(1, n)
        self.height = nn.Linear(n, 1)

    def forward(self, x):
        return self.height(SoftStep.apply(self.place(x)))


torch.manual_seed(0)
net = Bumps(20)
opt = torch.optim.Adam(net.parameters(), lr=0.02)
x = torch.linspace(-3, 3, 80).unsqueeze(1)
y = torch.sin(2 * x) * torch.exp(-x.abs())
for epoch in range(10):
    loss = (net(x) - y).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
print("loss", loss.item())
