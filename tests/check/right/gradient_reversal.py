"""Domain-adversarial training: the gradient is reversed between features and domain head."""

import torch
import torch.nn.functional as F
from torch import nn


class GradientReversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, strength):
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        return -ctx.strength * grad, None


class DANN(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 16))
        self.label = nn.Linear(16, 2)
        self.domain = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, x, strength):
        h = self.features(x)
        return self.label(h), self.domain(GradientReversal.apply(h, strength)).squeeze(1)


def batch(n, shift):
    y = torch.randint(2, (n,))
    x = torch.randn(n, 3)
    x[:, 0] += 3.0 * y - 1.5
    x[:, 2] += shift
    return x, y


torch.manual_seed(0)
model = DANN()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
STEPS = 120
for step in range(STEPS):
    strength = min(1.0, 2 * step / STEPS)
    (xs, ys), (xt, _) = batch(64, 0.0), batch(64, 3.0)
    label, source = model(xs, strength)
    _, target = model(xt, strength)
    domain_loss = F.binary_cross_entropy_with_logits(
        torch.cat([source, target]), torch.cat([torch.ones(64), torch.zeros(64)])
    )
    loss = F.cross_entropy(label, ys) + domain_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    x, y = batch(1000, 3.0)
    accuracy = (model(x, 0.0)[0].argmax(1) == y).float().mean().item()
print(f"accuracy on the target domain {accuracy:.3f}, domain loss {domain_loss.item():.3f}")
assert accuracy > 0.8
