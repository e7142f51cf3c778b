import torch
from torch import nn


def parts():
    base = nn.Sequential(nn.Linear(7, 14), nn.Tanh())
    head = nn.Linear(14, 2)
    return base.requires_grad_(False), head


def adam(*modules, lr):
    return torch.optim.Adam([p for m in modules for p in m.parameters() if p.requires_grad], lr=lr)


torch.manual_seed(16)
base, head = parts()
opt = adam(head, lr=0.05)
scheduler = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.5)
x = torch.randn(64, 7)
y = (x[:, 0] * x[:, 1] > 0).long()
for epoch in range(8):
    if epoch == 3:
        base.requires_grad_(True)
        opt = adam(base, head, lr=0.05)
    for idx in torch.randperm(64).split(32):
        loss = nn.functional.cross_entropy(head(base(x[idx])), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    scheduler.step()
    print(epoch, f"{loss.item():.4f}", "lr", opt.param_groups[0]["lr"])
