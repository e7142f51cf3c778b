import torch
from torch import nn
import torch.nn.functional as F


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(9, 14), nn.Tanh())
        self.rebuild = nn.Linear(14, 9)
        self.kind = nn.Linear(14, 3)

    def forward(self, x):
        code = self.encoder(x)
        return self.rebuild(code), self.kind(code)


class MultiTask:
    def __init__(self, model):
        self.model = model
        self.opt = torch.optim.AdamW(model.parameters(), lr=2e-3)

    def training_step(self, x, k):
        rec, kind = self.model(x)
        return {"rec": F.mse_loss(rec, x), "kind": F.cross_entropy(kind, k)}

    def optimise(self, losses):
        self.opt.zero_grad()
        for name, value in losses.items():
            value.backward()
        self.opt.step()
        return {name: round(value.item(), 4) for name, value in losses.items()}


torch.manual_seed(13)
job = MultiTask(Shared())
for i in range(3):
    x = torch.randn(20, 9)
    print(i, job.optimise(job.training_step(x, (x[:, 0] > 0).long() + (x[:, 1] > 1).long())))
