"""A program that replaces functions of torch's, and finds its own ones called as often as alone."""

import torch
from _digest import report, seed

calls = {"apply": 0, "asked": 0}
plain_apply = vars(torch.autograd.Function)["apply"]
plain_asked = torch.overrides.has_torch_function


def counted_apply(cls, *args, **kwargs):
    calls["apply"] += 1
    return plain_apply.__get__(None, cls)(*args, **kwargs)


def counted_asked(arguments):
    calls["asked"] += 1
    return plain_asked(arguments)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


seed(24)
weight = torch.randn(3, requires_grad=True)
torch.autograd.Function.apply = classmethod(counted_apply)
torch.overrides.has_torch_function = counted_asked
encoder = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
for _ in range(2):
    Square.apply(weight).sum().backward()
    with torch.no_grad():
        print(f"{encoder(torch.ones(1, 2, 8)).sum().item():.6f}")
print(calls, torch.overrides.has_torch_function is counted_asked)
report(weight=weight)
