"""A Jacobian penalty by torch.func, a directional derivative by forward mode, Newton's method."""

import torch
from torch import nn
from torch.func import functional_call, hessian, jacrev, jvp, vmap

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
rotate = torch.tensor([[0.0, -1.0], [1.0, 0.0]])


def call(parameters, x):
    return functional_call(net, parameters, (x,))


losses = []
for step in range(100):
    x = torch.randn(32, 2)
    parameters = dict(net.named_parameters())
    jacobian = vmap(jacrev(call, argnums=1), in_dims=(None, 0))(parameters, x)
    direction = torch.randn_like(x)
    _, along = jvp(lambda inputs: net(inputs), (x,), (direction,))
    assert torch.allclose(along, (jacobian @ direction.unsqueeze(2)).squeeze(2), atol=1e-4)
    # The values are fitted, and the Jacobian to the rotation that made them.
    loss = (net(x) - x @ rotate.t()).square().mean() + 0.5 * (jacobian - rotate).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"{losses[0]:.3f} -> {losses[-1]:.4f}")
assert losses[-1] < 0.1 * losses[0]

# Newton for a logistic regression: the Hessian is small enough to be solved with.
features = torch.randn(200, 3)
labels = torch.bernoulli(torch.sigmoid(features @ torch.tensor([1.0, -1.0, 0.5])))


def objective(w):
    logits = features @ w
    fit = nn.functional.binary_cross_entropy_with_logits(logits, labels)
    return fit + 1e-3 * w.square().sum()


w = torch.zeros(3)
for _ in range(6):
    gradient = jacrev(objective)(w)
    w = w - torch.linalg.solve(hessian(objective)(w), gradient)
print("w", [round(v, 3) for v in w.tolist()], "|gradient|", jacrev(objective)(w).norm().item())
assert jacrev(objective)(w).norm() < 1e-5
