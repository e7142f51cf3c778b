import torch
from torch import nn
import torch.nn.functional as F


class Distiller:
    def __init__(self, teacher, student, T=2.0):
        self.teacher = teacher.eval().requires_grad_(False)
        self.student = student
        self.T = T
        self.opt = torch.optim.Adam(student.parameters(), lr=5e-3)

    def soft_loss(self, x):
        student_p = F.softmax(self.student(x) / self.T, dim=1)
        teacher_p = F.softmax(self.teacher(x) / self.T, dim=1)
        return F.kl_div(student_p, teacher_p, reduction="batchmean") * self.T ** 2

    def step(self, x):
        loss = self.soft_loss(x)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss.item()


torch.manual_seed(26)
big = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 5))
small = nn.Linear(8, 5)
job = Distiller(big, small)
for it in range(5):
    print(it, job.step(torch.randn(64, 8)))
