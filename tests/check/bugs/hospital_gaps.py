import torch
from torch import nn


class Imputer(nn.Module):
    def __init__(self, channels, hidden=10):
        super().__init__()
        self.rnn = nn.GRU(2 * channels, hidden, batch_first=True)
        self.out = nn.Linear(hidden, channels)

    def forward(self, values, present):
        h, _ = self.rnn(torch.cat([values * present, present], dim=-1))
        return self.out(h)


def masked_error(guess, values, present):
    error = (guess - values).abs() * present
    per_patient = error.sum((1, 2)) / present.sum((1, 2))
    return per_patient.mean()


def patients(n, steps=5, channels=2, p=0.25):
    values = torch.randn(n, steps, channels).cumsum(1)
    present = (torch.rand_like(values) < p).float()
    return values, present


torch.manual_seed(16)
imputer = Imputer(2)
opt = torch.optim.Adam(imputer.parameters(), lr=1e-2)
for epoch in range(4):
    values, present = patients(20)
    keep = present * (torch.rand_like(present) < 0.8)
    loss = masked_error(imputer(values, keep), values, present)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(epoch, loss.item())
