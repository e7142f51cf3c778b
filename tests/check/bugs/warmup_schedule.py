import math
import torch
from torch import nn


def warm_cosine(warm, total):
    def factor(step):
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))
    return factor


def synth(n):
    x = torch.randn(n, 5)
    return x, (x @ torch.arange(5.0)).tanh().unsqueeze(1)


torch.manual_seed(8)
net = nn.Sequential(nn.Linear(5, 20), nn.GELU(), nn.Linear(20, 1))
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2)
sched = torch.optim.lr_scheduler.LambdaLR(optimizer, warm_cosine(4, 12))
rates = []
for step in range(12):
    x, y = synth(32)
    sched.step()
    loss = nn.functional.mse_loss(net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    rates.append(sched.get_last_lr()[0])
print("rates", [f"{r:.1e}" for r in rates])
print("loss", loss.item())
