"""An own top-k pooling: values with a gradient, indices without."""

import torch
from torch import nn


class TopK(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, k):
        values, indices = x.topk(k, dim=1)
        ctx.mark_non_differentiable(indices)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(indices)
        ctx.shape = x.shape
        return values, indices

    @staticmethod
    def backward(ctx, grad_values, grad_indices):
        if grad_values is None:
            return None, None
        (indices,) = ctx.saved_tensors
        grad = grad_values.new_zeros(ctx.shape)
        return grad.scatter(1, indices, grad_values), None


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, x):
        scores = self.score(x).squeeze(-1)
        values, indices = TopK.apply(scores, 2)
        return values * self.scale, indices


torch.manual_seed(0)
assert torch.autograd.gradcheck(
    lambda t: TopK.apply(t, 2)[0], torch.randn(3, 5, dtype=torch.double, requires_grad=True)
)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
losses = []
for step in range(150):
    x = torch.randn(64, 6, 3)
    truth, places = x.sum(2).topk(2, dim=1)
    values, indices = net(x)
    loss = nn.functional.mse_loss(values, truth)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

found = (indices == places).float().mean().item()
print(f"{losses[0]:.3f} -> {losses[-1]:.4f}, places found {found:.2f}")
assert losses[-1] < 0.1 * losses[0] and found > 0.6
