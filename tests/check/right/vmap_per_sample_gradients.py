"""Differentially private SGD: per-sample gradients by vmap(grad), clipped, with noise."""

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

CLIP, NOISE = 1.0, 0.3

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.5)


def loss_of_one(parameters, x, y):
    logits = functional_call(model, parameters, (x.unsqueeze(0),))
    return nn.functional.cross_entropy(logits, y.unsqueeze(0))


per_sample = vmap(grad(loss_of_one), in_dims=(None, 0, 0))
x = torch.randn(512, 3)
y = (x[:, 0] - x[:, 1] > 0.2).long()

for step in range(60):
    batch = torch.randint(512, (64,))
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    gradients = per_sample(parameters, x[batch], y[batch])
    norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients.values()]).norm(dim=0)
    factor = (CLIP / norms.clamp_min(CLIP)).clamp(max=1.0)
    for name, p in model.named_parameters():
        clipped = torch.einsum("n...,n->...", gradients[name], factor)
        p.grad = (clipped + NOISE * torch.randn_like(p)) / len(batch)
    optimizer.step()

with torch.no_grad():
    accuracy = (model(x).argmax(1) == y).float().mean().item()
print(f"accuracy {accuracy:.3f}")
assert accuracy > 0.9
