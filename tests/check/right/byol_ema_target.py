"""BYOL on toy views: online net, predictor, and a target that follows by moving average."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


def mlp(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, 32), nn.BatchNorm1d(32), nn.ReLU(inplace=True), nn.Linear(32, outputs)
    )


class BYOL(nn.Module):
    def __init__(self, decay=0.95):
        super().__init__()
        self.decay = decay
        self.online = mlp(12, 8)
        self.predictor = mlp(8, 8)
        self.target = copy.deepcopy(self.online)
        self.target.requires_grad_(False)

    @torch.no_grad()
    def update_target(self):
        for t, o in zip(self.target.parameters(), self.online.parameters(), strict=True):
            t.lerp_(o, 1 - self.decay)

    def forward(self, one, two):
        p1, p2 = self.predictor(self.online(one)), self.predictor(self.online(two))
        with torch.no_grad():
            z1, z2 = self.target(one), self.target(two)
        return self.distance(p1, z2.detach()) + self.distance(p2, z1.detach())

    @staticmethod
    def distance(p, z):
        return 2 - 2 * F.cosine_similarity(p, z, dim=-1).mean()


torch.manual_seed(0)
model = BYOL()
learnt = [*model.online.parameters(), *model.predictor.parameters()]
optimizer = torch.optim.AdamW(learnt, lr=3e-3, weight_decay=1e-4)
prototypes = torch.randn(4, 12) * 2
losses = []
for step in range(80):
    clean = prototypes[torch.randint(4, (64,))]
    loss = model(clean + 0.3 * torch.randn_like(clean), clean + 0.3 * torch.randn_like(clean))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model.update_target()
    losses.append(loss.item())

print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.5 * losses[0]
