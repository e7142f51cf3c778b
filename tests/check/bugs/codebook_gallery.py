import torch
import torch.nn.functional as F
from torch import nn


class Gallery(nn.Module):
    def __init__(self, n_codes=12, dim=6):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, dim))
        self.codes = nn.Parameter(torch.randn(n_codes, dim))
        self.decoder = nn.Linear(dim, 10)

    def quantize(self, z):
        distance = torch.cdist(z, self.codes)
        nearest = distance.argmin(dim=1)
        chosen = F.one_hot(nearest, self.codes.shape[0]).to(z.dtype)
        return chosen @ self.codes

    def forward(self, x):
        z = self.encoder(x)
        return self.decoder(self.quantize(z))


torch.manual_seed(11)
vq = Gallery()
opt = torch.optim.Adam(vq.parameters(), lr=2e-3)
paintings = torch.randn(64, 10)
history = []
for step in range(5):
    batch = paintings[torch.randperm(64)[:16]]
    recon = vq(batch)
    loss = F.mse_loss(recon, batch)
    opt.zero_grad()
    loss.backward()
    opt.step()
    history.append(loss.item())
print(" ".join(f"{v:.3f}" for v in history))
