"""An own Function that computes with numpy, once differentiable: a smoothing filter by FFT."""

import numpy as np
import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable


class Filter(Function):
    @staticmethod
    def forward(ctx, x, response):
        ctx.response = response  # a numpy array: data, not a tensor
        spectrum = np.fft.rfft(x.detach().numpy(), axis=-1)
        y = np.fft.irfft(spectrum * response, n=x.shape[-1], axis=-1)
        return torch.from_numpy(y).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        # The adjoint of a real, even filter is the filter itself.
        spectrum = np.fft.rfft(grad.numpy(), axis=-1)
        y = np.fft.irfft(spectrum * ctx.response, n=grad.shape[-1], axis=-1)
        return torch.from_numpy(y).to(grad.dtype), None


LENGTH = 32
response = np.exp(-0.05 * np.arange(LENGTH // 2 + 1) ** 2)
torch.manual_seed(0)
x = torch.randn(2, LENGTH, dtype=torch.double, requires_grad=True)
assert torch.autograd.gradcheck(lambda t: Filter.apply(t, response), x)

truth = torch.sin(torch.linspace(0, 6.28, LENGTH)) + 0.5
measured = Filter.apply(truth.expand(1, -1), response) + 0.01 * torch.randn(1, LENGTH)
guess = nn.Parameter(torch.zeros(1, LENGTH))
optimizer = torch.optim.Adam([guess], lr=0.05)
for step in range(150):
    loss = nn.functional.mse_loss(Filter.apply(guess, response), measured)
    loss = loss + 1e-3 * guess.diff(dim=1).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

error = (guess - truth).abs().mean().item()
print(f"loss {loss.item():.5f}, error {error:.3f}")
assert error < 0.1
