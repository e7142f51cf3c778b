import torch
from torch import nn, optim


class Hasher(nn.Module):
    def __init__(self, dim, n_bits):
        super().__init__()
        self.project = nn.Linear(dim, n_bits)
        self.scale = nn.Parameter(torch.ones(n_bits))

    def bits(self, x):
        return torch.sign(self.project(x))

    def forward(self, a, b):
        return (self.bits(a) * self.bits(b) * self.scale).mean(-1)


def pairs(n, dim):
    a = torch.randn(n, dim)
    same = torch.rand(n) < 0.5
    b = torch.where(same[:, None], a + 0.2 * torch.randn(n, dim), torch.randn(n, dim))
    return a, b, same.float() * 2 - 1


torch.manual_seed(25)
hasher = Hasher(18, 12)
sgd = optim.SGD(hasher.parameters(), lr=0.1)
for step in range(5):
    a, b, same = pairs(40, 18)
    loss = nn.functional.mse_loss(hasher(a, b), same)
    sgd.zero_grad()
    loss.backward()
    sgd.step()
    print(step, "%.4f" % loss.item())
