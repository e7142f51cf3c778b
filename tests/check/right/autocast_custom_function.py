"""An own matrix product with autocast decorators, trained in bfloat16 on the CPU."""

import torch
from torch import nn
from torch.amp import custom_bwd, custom_fwd


class ScaledMatmul(torch.autograd.Function):
    @staticmethod
    @custom_fwd(device_type="cpu")
    def forward(ctx, x, weight, scale):
        ctx.save_for_backward(x, weight)
        ctx.scale = scale
        return scale * (x @ weight.t())

    @staticmethod
    @custom_bwd(device_type="cpu")
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad = ctx.scale * grad
        grad_x = grad_w = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad @ weight.to(grad.dtype)).to(x.dtype)
        if ctx.needs_input_grad[1]:
            grad_w = (grad.t() @ x.to(grad.dtype)).to(weight.dtype)
        return grad_x, grad_w, None


class ScaledLinear(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.scale = inputs**-0.5

    def forward(self, x):
        return ScaledMatmul.apply(x, self.weight, self.scale)


x = torch.randn(3, 4, dtype=torch.double, requires_grad=True)
w = torch.randn(2, 4, dtype=torch.double, requires_grad=True)
assert torch.autograd.gradcheck(ScaledMatmul.apply, (x, w, 0.5))

torch.manual_seed(0)
model = nn.Sequential(ScaledLinear(6, 64), nn.GELU(), ScaledLinear(64, 64), nn.GELU())
head = ScaledLinear(64, 1)
optimizer = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=1e-2)
losses = []
for step in range(80):
    x = torch.randn(64, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = head(model(x))
    loss = nn.functional.mse_loss(prediction.float(), x[:, :1].abs() + x[:, 1:2])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.3 * losses[0]
