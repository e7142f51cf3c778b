from dataclasses import dataclass
import math

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Config:
    dim: int = 16
    batch: int = 8
    steps: int = 3
    lr: float = 3e-3


class TwoTower(nn.Module):
    def __init__(self, cfg: Config):
        super().__init__()
        self.picture = nn.Sequential(nn.Linear(20, cfg.dim), nn.GELU(), nn.Linear(cfg.dim, cfg.dim))
        self.caption = nn.EmbeddingBag(50, cfg.dim)
        self.log_tau = nn.Parameter(torch.tensor(math.log(0.07)))

    def forward(self, pictures, words):
        p = F.normalize(self.picture(pictures), dim=-1)
        c = F.normalize(self.caption(words), dim=-1)
        tau = max(self.log_tau.exp().item(), 0.01)
        return p @ c.t() / tau


def contrastive(sim):
    target = torch.arange(sim.shape[0])
    return (F.cross_entropy(sim, target) + F.cross_entropy(sim.t(), target)) / 2


cfg = Config()
torch.manual_seed(0)
model = TwoTower(cfg)
opt = torch.optim.AdamW(model.parameters(), lr=cfg.lr)
for step in range(cfg.steps):
    pictures, words = torch.randn(cfg.batch, 20), torch.randint(0, 50, (cfg.batch, 5))
    loss = contrastive(model(pictures, words))
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    print(step, round(loss.item(), 4), "tau", round(model.log_tau.exp().item(), 4))
