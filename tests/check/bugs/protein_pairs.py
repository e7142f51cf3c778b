import torch
from torch import nn
import torch.nn.functional as F


def margin(anchor, near, far, m=0.4):
    return F.relu((anchor - near).norm(dim=1) - (anchor - far).norm(dim=1) + m)


def batch_loss(net, triples):
    parts = []
    for a, n, f in triples:
        parts.append(margin(net(a), net(n), net(f)).mean())
    return torch.tensor(sum(parts) / len(parts), requires_grad=True)


def triples(k, n=6):
    out = []
    for _ in range(k):
        a = torch.randn(n, 14)
        out.append((a, a + 0.1 * torch.randn(n, 14), torch.randn(n, 14)))
    return out


torch.manual_seed(23)
net = nn.Sequential(nn.Linear(14, 12), nn.Tanh(), nn.Linear(12, 4))
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(4):
    opt.zero_grad()
    loss = batch_loss(net, triples(3))
    loss.backward()
    opt.step()
    print(epoch, loss.item())
