"""SAM: climb to the worst near point, take the gradient there, come back, step."""

import torch
from torch import nn


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base, rho=0.05, **options):
        super().__init__(params, {"rho": rho, **options})
        self.base = base(self.param_groups, **options)
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def first_step(self):
        gradients = [p.grad.norm() for g in self.param_groups for p in g["params"]]
        norm = torch.stack(gradients).norm()
        for group in self.param_groups:
            for p in group["params"]:
                move = p.grad * (group["rho"] / (norm + 1e-12))
                p.add_(move)
                self.state[p]["move"] = move
        self.zero_grad()

    @torch.no_grad()
    def second_step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(self.state[p]["move"])
        self.base.step()
        self.zero_grad()


torch.manual_seed(0)
x = torch.randn(256, 2)
y = (x.norm(dim=1) > 1.2).long()
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = SAM(model.parameters(), torch.optim.SGD, rho=0.1, lr=0.2, momentum=0.9)
for epoch in range(15):
    for batch in torch.randperm(256).split(64):
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.first_step()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.second_step()

with torch.no_grad():
    accuracy = (model(x).argmax(1) == y).float().mean().item()
print(f"loss {loss.item():.3f}, accuracy {accuracy:.3f}")
assert accuracy > 0.93
