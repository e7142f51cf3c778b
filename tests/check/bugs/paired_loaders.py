import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(18)
N = 48
key = torch.randn(N, 3)
pictures = TensorDataset(torch.arange(N), key @ torch.randn(3, 10))
sounds = TensorDataset(torch.arange(N), key @ torch.randn(3, 7))


def paired(a, b, seed, size):
    g = torch.Generator().manual_seed(seed)
    left = DataLoader(a, batch_size=size, shuffle=True, generator=g)
    right = DataLoader(b, batch_size=size, shuffle=True, generator=g)
    return left, right


class Joint(nn.Module):
    def __init__(self, dim=4):
        super().__init__()
        self.see = nn.Linear(10, dim)
        self.hear = nn.Linear(7, dim)

    def forward(self, p, s):
        p, s = (nn.functional.normalize(v, dim=1) for v in (self.see(p), self.hear(s)))
        return 5 * p @ s.t()


net = Joint()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
left, right = paired(pictures, sounds, seed=3, size=8)
for epoch in range(3):
    same = 0
    for (i, p), (j, s) in zip(left, right):
        loss = nn.functional.cross_entropy(net(p, s), torch.arange(len(p)))
        opt.zero_grad()
        loss.backward()
        opt.step()
        same += int((i == j).sum())
    print(epoch, loss.item(), "matched", same / N)
