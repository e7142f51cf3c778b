"""Knowledge distillation; the teacher sits in a plain list, so that it is nobody's submodule."""

import torch
import torch.nn.functional as F
from torch import nn


class Distilled(nn.Module):
    def __init__(self, student, teacher, temperature=3.0):
        super().__init__()
        self.student = student
        # Not registered: it is neither trained, nor saved, nor switched to train mode.
        self._teacher = [teacher.eval().requires_grad_(False)]
        self.temperature = temperature

    def loss(self, x, y):
        logits = self.student(x)
        with torch.no_grad():
            soft = F.softmax(self._teacher[0](x) / self.temperature, dim=1)
        log_soft = F.log_softmax(logits / self.temperature, dim=1)
        distill = F.kl_div(log_soft, soft, reduction="batchmean") * self.temperature**2
        return 0.3 * F.cross_entropy(logits, y) + 0.7 * distill


def fit(parameters, loss_of, x, y, epochs, lr):
    optimizer = torch.optim.Adam(parameters, lr=lr)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            loss_of(x[batch], y[batch]).backward()
            optimizer.step()


torch.manual_seed(0)
x = torch.randn(512, 4)
y = (x[:, 0] * x[:, 1] > 0).long() + 2 * (x[:, 2] > 0).long()
teacher = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 4))
fit(teacher.parameters(), lambda a, b: F.cross_entropy(teacher(a), b), x, y, 15, 1e-2)
kept = [p.clone() for p in teacher.parameters()]

model = Distilled(nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 4)), teacher)
model.train()
fit(model.parameters(), model.loss, x, y, 15, 1e-2)

with torch.no_grad():
    accuracy = (model.student(x).argmax(1) == y).float().mean().item()
assert all(torch.equal(a, b) for a, b in zip(kept, teacher.parameters(), strict=True))
assert not any("teacher" in name for name in model.state_dict()) and not teacher.training
print(f"accuracy of the student {accuracy:.3f}")
assert accuracy > 0.8
