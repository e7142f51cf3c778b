import torch
from torch import nn


class Decay(nn.Module):
    """Sum of two exponentials."""

    def __init__(self):
        super().__init__()
        self.amp = nn.Parameter(torch.tensor([1.0, 0.5]))
        self.log_rate = nn.Parameter(torch.tensor([-1.0, 0.5]))

    def forward(self, t):
        return (self.amp * torch.exp(-self.log_rate.exp() * t[:, None])).sum(-1)


torch.manual_seed(19)
t = torch.linspace(0, 5, 60)
counts = 2.0 * torch.exp(-0.3 * t) + 1.0 * torch.exp(-2.5 * t) + 0.01 * torch.randn(60)
model = Decay()
solver = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=8)

for outer in range(3):
    prediction = model(t)
    loss = (prediction - counts).square().sum()

    def closure():
        solver.zero_grad()
        loss.backward()
        return loss

    solver.step(closure)
    print(outer, loss.item(), model.amp.tolist())
