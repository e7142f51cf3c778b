import copy
import torch
from torch import nn
import torch.nn.functional as F


def build():
    return nn.Sequential(nn.Linear(7, 12), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 4))


@torch.no_grad()
def average(into, source, keep=0.98):
    for p, q in zip(into.parameters(), source.parameters()):
        p.mul_(keep).add_(q, alpha=1 - keep)


torch.manual_seed(8)
student = build()
teacher = copy.deepcopy(student).requires_grad_(False)
opt = torch.optim.SGD(student.parameters(), lr=0.05)
labelled, label = torch.randn(16, 7), torch.randint(0, 4, (16,))

for step in range(3):
    unlabelled = torch.randn(32, 7)
    noisy = student(unlabelled + 0.1 * torch.randn_like(unlabelled))
    calm = teacher(unlabelled)
    consistency = F.mse_loss(noisy.softmax(1), calm.softmax(1))
    supervised = F.cross_entropy(student(labelled), label)
    average(student, teacher)
    loss = supervised + 2.0 * consistency
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, supervised.item(), consistency.item())
