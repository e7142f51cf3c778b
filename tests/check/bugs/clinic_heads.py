from typing import Dict
import torch
from torch import nn, Tensor

TASKS = {"risk": 1, "days": 1, "ward": 4}


class Clinic(nn.Module):
    def __init__(self, tasks: Dict[str, int]):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(9, 16), nn.LeakyReLU())
        self.heads = {name: nn.Linear(16, n) for name, n in tasks.items()}

    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        h = self.trunk(x)
        return {name: head(h) for name, head in self.heads.items()}


def losses(out: Dict[str, Tensor], risk: Tensor, days: Tensor, ward: Tensor) -> Dict[str, Tensor]:
    return {
        "risk": nn.functional.binary_cross_entropy_with_logits(out["risk"].squeeze(1), risk),
        "days": nn.functional.smooth_l1_loss(out["days"].squeeze(1), days),
        "ward": nn.functional.cross_entropy(out["ward"], ward),
    }


torch.manual_seed(12)
model = Clinic(TASKS)
opt = torch.optim.Adam(model.parameters(), lr=3e-3)
patients = torch.randn(32, 9)
risk = (patients[:, 0] > 0).float()
days = patients[:, 1].exp()
ward = torch.randint(0, 4, (32,))
for epoch in range(4):
    parts = losses(model(patients), risk, days, ward)
    opt.zero_grad()
    sum(parts.values()).backward()
    opt.step()
    print(epoch, {k: round(v.item(), 3) for k, v in parts.items()})
