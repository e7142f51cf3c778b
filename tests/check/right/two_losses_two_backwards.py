"""Supervised and unsupervised loss: two forwards, two backwards, one step."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)


def moons(n):
    angle = torch.rand(n) * torch.pi
    label = torch.randint(2, (n,))
    sign = 1.0 - 2.0 * label
    x = torch.stack([sign * angle.cos() + 0.5 * label, sign * angle.sin() + 0.25 * label], 1)
    return x + 0.1 * torch.randn(n, 2), label


labelled, labels = moons(40)
unlabelled, _ = moons(400)
for step in range(150):
    optimizer.zero_grad()

    supervised = F.cross_entropy(model(labelled), labels)
    supervised.backward()

    # The graph of the first is freed by now; the second has its own, with its own dropout.
    batch = unlabelled[torch.randint(400, (64,))]
    with torch.no_grad():
        clean = F.softmax(model(batch), 1)
    noisy = F.log_softmax(model(batch + 0.05 * torch.randn_like(batch)), 1)
    consistency = F.kl_div(noisy, clean, reduction="batchmean")
    (0.5 * consistency).backward()

    optimizer.step()

model.eval()
test, truth = moons(500)
with torch.no_grad():
    accuracy = (model(test).argmax(1) == truth).float().mean().item()
print(f"accuracy {accuracy:.3f}")
assert accuracy > 0.85
