import torch
from torch import nn


class Colony(nn.Module):
    def __init__(self):
        super().__init__()
        self.grow = nn.Conv2d(1, 4, 3, padding=1)
        self.mix = nn.Conv2d(4, 1, 1)

    def forward(self, field):
        return torch.sigmoid(self.mix(torch.relu(self.grow(field))))


def neighbours(field):
    k = torch.ones(1, 1, 3, 3) / 9
    return nn.functional.conv2d(field, k, padding=1)


torch.manual_seed(3)
colony = Colony()
optim = torch.optim.SGD(colony.parameters(), lr=0.5)
field = (torch.rand(6, 1, 12, 12) < 0.3).float()
after = (neighbours(field) > 0.3).float()
seen = []
for generation in range(4):
    guess = colony(field)
    loss = nn.functional.binary_cross_entropy(guess, after)
    loss.backward()
    optim.zero_grad()
    optim.step()
    seen.append(round(loss.item(), 6))
print(seen)
