import torch
from torch import nn


class Meter(nn.Module):
    def __init__(self, inputs=2, hidden=8):
        super().__init__()
        self.cell = nn.LSTMCell(inputs, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, window, h):
        guesses = []
        for x in window:
            h = self.cell(x, h)
            guesses.append(self.out(h[0]))
        return torch.stack(guesses), h


def consumption(hours, houses):
    t = torch.arange(hours + 1.0).view(-1, 1)
    base = torch.sin(t / 4) + 0.1 * torch.randn(hours + 1, houses)
    x = torch.stack([base, torch.cos(t / 4).expand_as(base)], -1)
    return x[:-1], base[1:].unsqueeze(-1)


torch.manual_seed(11)
meter = Meter()
opt = torch.optim.Adam(meter.parameters(), lr=1e-2)
x, y = consumption(60, 5)
h = (torch.zeros(5, 8), torch.zeros(5, 8))
for k in range(0, 60, 12):
    guess, h = meter(x[k:k + 12], h)
    loss = (guess - y[k:k + 12]).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(k, loss.item())
