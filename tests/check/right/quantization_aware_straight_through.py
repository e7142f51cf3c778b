"""Quantization-aware training with fake quantization of weights and activations."""

import torch
from torch import nn


class FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale, low, high):
        q = torch.round(x / scale)
        ctx.save_for_backward((q >= low) & (q <= high))
        return q.clamp(low, high) * scale

    @staticmethod
    def backward(ctx, grad):
        (inside,) = ctx.saved_tensors
        return grad * inside, None, None, None


class QuantLinear(nn.Linear):
    bits = 4

    def __init__(self, *args):
        super().__init__(*args)
        self.register_buffer("range", torch.tensor(1.0))

    def forward(self, x):
        top = 2 ** (self.bits - 1) - 1
        if self.training:
            with torch.no_grad():
                self.range.mul_(0.9).add_(x.abs().max(), alpha=0.1)
        x = FakeQuantize.apply(x, self.range / top, -top, top)
        weight = FakeQuantize.apply(self.weight, self.weight.detach().abs().max() / top, -top, top)
        return nn.functional.linear(x, weight, self.bias)


torch.manual_seed(0)
net = nn.Sequential(
    QuantLinear(2, 32), nn.ReLU(), QuantLinear(32, 32), nn.ReLU(), QuantLinear(32, 2)
)
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
x = torch.rand(400, 2) * 2 - 1
y = (x.norm(dim=1) > 0.75).long()
for epoch in range(20):
    net.train()
    for batch in torch.randperm(400).split(50):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
        optimizer.step()

net.eval()
with torch.no_grad():
    accuracy = (net(x).argmax(1) == y).float().mean().item()
levels = FakeQuantize.apply(net[2].weight.detach(), net[2].weight.abs().max().item() / 7, -7, 7)
print(f"accuracy {accuracy:.3f} with {levels.unique().numel()} levels")
assert accuracy > 0.85
