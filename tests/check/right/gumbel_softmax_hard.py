"""A categorical VAE with hard Gumbel-softmax samples and a temperature that falls."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
K = 5
encoder = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, K))
decoder = nn.Linear(K, 8, bias=False)
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
centers = torch.randn(K, 8) * 2
prior = torch.full((K,), 1 / K).log()

history = []
for step in range(200):
    x = centers[torch.randint(K, (64,))] + 0.1 * torch.randn(64, 8)
    logits = encoder(x)
    temperature = max(0.5, 2.0 * 0.985**step)
    z = F.gumbel_softmax(logits, tau=temperature, hard=True)
    assert torch.equal(z.detach().max(1).values.round(), torch.ones(64))
    reconstruction = F.mse_loss(decoder(z), x, reduction="sum") / len(x)
    q = F.log_softmax(logits, 1)
    kl = (q.exp() * (q - prior)).sum(1).mean()
    loss = reconstruction + 0.1 * kl
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    history.append(reconstruction.item())

print(f"reconstruction {history[0]:.2f} -> {history[-1]:.2f}")
assert sum(history[-10:]) / 10 < 0.5 * history[0]
