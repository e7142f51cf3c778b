"""A mixture of softmaxes: probabilities are mixed, then the log of the mixture goes to nll_loss."""

import torch
import torch.nn.functional as F
from torch import nn


class MixtureOfSoftmaxes(nn.Module):
    def __init__(self, width, classes, components=3):
        super().__init__()
        self.components, self.classes = components, classes
        self.prior = nn.Linear(width, components)
        self.logits = nn.Linear(width, components * classes)

    def forward(self, h):
        pi = F.softmax(self.prior(h), dim=-1)
        p = F.softmax(self.logits(h).view(-1, self.components, self.classes), dim=-1)
        return (pi.unsqueeze(-1) * p).sum(1)


torch.manual_seed(0)
body = nn.Sequential(nn.Linear(2, 32), nn.Tanh())
head = MixtureOfSoftmaxes(32, 3)
optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=1e-2)


def sample(n):
    angle = torch.rand(n) * 6.283
    radius = 1 + torch.rand(n)
    y = ((angle * 6 / 6.283).long()) % 3
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1), y


losses = []
for step in range(250):
    x, y = sample(128)
    probability = head(body(x))
    loss = F.nll_loss(torch.log(probability + 1e-9), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

with torch.no_grad():
    x, y = sample(1000)
    p = head(body(x))
    accuracy = (p.argmax(1) == y).float().mean().item()
assert torch.allclose(p.sum(1), torch.ones(1000), atol=1e-5)
print(f"{losses[0]:.3f} -> {losses[-1]:.3f}, accuracy {accuracy:.3f}")
assert accuracy > 0.85
