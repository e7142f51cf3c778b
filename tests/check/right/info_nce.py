"""Contrastive learning: symmetric InfoNCE across two modalities, and NT-Xent within one."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
image = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 8))
text = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 8))
log_temperature = nn.Parameter(torch.tensor(2.0))
optimizer = torch.optim.Adam([*image.parameters(), *text.parameters(), log_temperature], lr=5e-3)
to_image, to_text = torch.randn(4, 12), torch.randn(4, 6)


def clip_loss(a, b):
    logits = log_temperature.exp().clamp(max=50) * F.normalize(a, dim=1) @ F.normalize(b, dim=1).t()
    labels = torch.arange(len(logits))
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2


def nt_xent(a, b, temperature=0.5):
    z = F.normalize(torch.cat([a, b]), dim=1)
    similarity = z @ z.t() / temperature
    similarity.fill_diagonal_(float("-inf"))
    n = len(a)
    labels = torch.cat([torch.arange(n) + n, torch.arange(n)])
    return F.cross_entropy(similarity, labels)


for step in range(120):
    meaning = torch.randn(48, 4)
    pictures, words = meaning @ to_image, meaning @ to_text
    a = image(pictures + 0.1 * torch.randn_like(pictures))
    a2 = image(pictures + 0.1 * torch.randn_like(pictures))
    loss = clip_loss(a, text(words)) + 0.2 * nt_xent(a, a2)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    meaning = torch.randn(100, 4)
    a, b = F.normalize(image(meaning @ to_image)), F.normalize(text(meaning @ to_text))
    accuracy = ((a @ b.t()).argmax(1) == torch.arange(100)).float().mean().item()
print(f"loss {loss.item():.3f}, retrieval {accuracy:.2f}")
assert accuracy > 0.5
