import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 24)
        self.b = nn.Linear(24, 1)

    def forward(self, x):
        return self.b(nn.functional.silu(self.a(x))).squeeze(-1)


class AmpTrainer:
    def __init__(self, net: nn.Module, lr: float = 1e-2, limit: float = 0.1):
        self.net = net
        self.limit = limit
        self.opt = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0 ** 12)

    def step(self, x, y):
        self.opt.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.mse_loss(self.net(x), y)
        self.scaler.scale(loss).backward()
        nn.utils.clip_grad_value_(self.net.parameters(), self.limit)
        self.scaler.step(self.opt)
        self.scaler.update()
        return loss.item()


torch.manual_seed(6)
trainer = AmpTrainer(Net())
for k in range(4):
    x = torch.randn(32, 8)
    print(k, trainer.step(x, x.square().sum(1)))
