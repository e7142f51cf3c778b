import torch
from torch import nn
import torch.nn.functional as F


class Faces(nn.Module):
    def __init__(self, people=10, dim=8):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 16), nn.PReLU(), nn.Linear(16, dim))
        self.head = nn.Linear(dim, people, bias=False)

    def forward(self, x):
        return self.head(F.normalize(self.body(x), dim=1)) * 8


def project(module, radius=1.0):
    for w in module.parameters():
        w.data.mul_(radius / w.data.norm(dim=1, keepdim=True))


torch.manual_seed(4)
net = Faces()
opt = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
faces = torch.randn(40, 12)
who = torch.arange(40) % 10
for step in range(5):
    logits = net(faces)
    loss = F.cross_entropy(logits, who)
    project(net.head)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item(), net.head.weight.detach().norm(dim=1).mean().item())
