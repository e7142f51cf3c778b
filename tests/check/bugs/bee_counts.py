import torch
from torch import nn


class HiveCounts(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.linear = nn.Linear(n_in, 1)

    def forward(self, x):
        log_rate = self.linear(x).squeeze(-1)
        return torch.exp(log_rate)


def poisson_nll(rate, count):
    return (rate - count * torch.log(rate + 1e-9)).mean()


torch.manual_seed(10)
n = 40
month = torch.randint(1, 13, (n, 1)).float()
pressure = 1013 + 8 * torch.randn(n, 1)
sunshine = torch.rand(n, 1) * 14
x = torch.cat([month, pressure, sunshine], dim=1)
count = torch.poisson(sunshine.squeeze(1))

model = HiveCounts(3)
nn.init.constant_(model.linear.weight, 0.1)
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(3):
    rate = model(x)
    loss = poisson_nll(rate, count)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print("epoch", epoch, "nll", loss.item())
