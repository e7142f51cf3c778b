"""Logistic regression by LBFGS with strong Wolfe line search."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 3)
w = torch.tensor([1.5, -2.0, 0.7])
y = torch.bernoulli(torch.sigmoid(x @ w + 0.3)).unsqueeze(1)
model = nn.Linear(3, 1)
optimizer = torch.optim.LBFGS(model.parameters(), lr=1, max_iter=10, line_search_fn="strong_wolfe")
calls = 0


def closure():
    global calls
    calls += 1
    optimizer.zero_grad()
    loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
    loss = loss + 1e-4 * model.weight.square().sum()
    loss.backward()
    return loss


for step in range(4):
    loss = optimizer.step(closure)
    print(f"step {step}: loss {loss.item():.6f} after {calls} evaluations")

with torch.enable_grad():
    final = closure()
norm = model.weight.grad.norm().item()
print(f"final {final.item():.6f}, |gradient| {norm:.2e}")
assert norm < 1e-3
