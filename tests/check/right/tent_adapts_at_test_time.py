"""Tent: at test time, entropy is minimized over the scale and shift of BatchNorm."""

import torch
from torch import nn

torch.manual_seed(0)


def sample(n, corrupted=False):
    y = torch.randint(3, (n,))
    x = torch.eye(3)[y].repeat(1, 2) * 2 + 0.5 * torch.randn(n, 6)
    if corrupted:
        x = x * torch.tensor([3.0, 0.3, 1.0, 0.3, 2.0, 1.0]) + torch.tensor([4.0, -2, 0, 3, -3, 1])
    return x, y


@torch.no_grad()
def accuracy(model, x, y):
    return (model(x).argmax(1) == y).float().mean().item()


def configure(model):
    model.train()
    model.zero_grad()
    model.requires_grad_(False)
    parameters = []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.requires_grad_(True)
            module.track_running_stats = False
            module.running_mean = module.running_var = None
            parameters += [module.weight, module.bias]
    return parameters


model = nn.Sequential(
    nn.BatchNorm1d(6), nn.Linear(6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3)
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(60):
    x, y = sample(64)
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()

model.eval()
before = accuracy(model, *sample(500, corrupted=True))
adapted = configure(model)
frozen = model[1].weight.clone()
optimizer = torch.optim.SGD(adapted, lr=1e-2, momentum=0.9)
right = 0
for step in range(20):
    x, y = sample(50, corrupted=True)
    logits = model(x)  # the answer for this batch, and the loss, are of one forward
    entropy = -(logits.softmax(1) * logits.log_softmax(1)).sum(1).mean()
    optimizer.zero_grad()
    entropy.backward()
    optimizer.step()
    right += int((logits.argmax(1) == y).sum())

assert torch.equal(frozen, model[1].weight) and model[1].weight.grad is None
print(f"corrupted data: {before:.3f} before, {right / 1000:.3f} while adapting")
assert right / 1000 > max(0.8, before)
