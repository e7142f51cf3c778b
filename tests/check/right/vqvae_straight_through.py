"""VQ-VAE on points around four centres, straight-through estimator."""

import torch
import torch.nn.functional as F
from torch import nn


class Quantizer(nn.Module):
    def __init__(self, codes, width, beta=0.25):
        super().__init__()
        self.beta = beta
        self.codebook = nn.Embedding(codes, width)
        nn.init.uniform_(self.codebook.weight, -1, 1)

    def forward(self, z):
        distance = (
            z.pow(2).sum(1, keepdim=True)
            - 2 * z @ self.codebook.weight.t()
            + self.codebook.weight.pow(2).sum(1)
        )
        index = distance.argmin(1)
        q = self.codebook(index)
        loss = F.mse_loss(q, z.detach()) + self.beta * F.mse_loss(z, q.detach())
        return z + (q - z).detach(), loss, index


torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
decoder = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 6))
quantizer = Quantizer(8, 2)
modules = nn.ModuleList([encoder, quantizer, decoder])
optimizer = torch.optim.Adam(modules.parameters(), lr=1e-2)
centers = torch.randn(4, 6)

for step in range(150):
    x = centers[torch.randint(4, (32,))] + 0.05 * torch.randn(32, 6)
    q, vq_loss, index = quantizer(encoder(x))
    reconstruction = F.mse_loss(decoder(q), x)
    loss = reconstruction + vq_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 30 == 0:
        print(f"{step:3d} mse {reconstruction.item():.3f} used {index.unique().numel()}")

assert reconstruction.item() < 0.4
