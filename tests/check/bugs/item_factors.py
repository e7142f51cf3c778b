import torch
from torch import nn


class Factors(nn.Module):
    def __init__(self, n_users, n_items, k):
        super().__init__()
        self.users = nn.Embedding(n_users, k)
        self.items = nn.Embedding(n_items, k)

    def forward(self, u, i):
        return (self.users(u) * self.items(i)).sum(1)


def sessions(n, g):
    for _ in range(n):
        u = torch.randint(0, 12, (16,), generator=g)
        i = torch.randint(0, 45, (16,), generator=g)
        yield u, i, ((u * 7 + i * 3) % 5).float() - 2


torch.manual_seed(14)
mf = Factors(12, 50, 6)
start = mf.items.weight.detach().clone()
opt = torch.optim.Adam(mf.parameters(), lr=0.05, weight_decay=0.1)
g = torch.Generator().manual_seed(0)
for n, (u, i, r) in enumerate(sessions(8, g)):
    loss = nn.functional.mse_loss(mf(u, i), r)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(n, round(loss.item(), 4))
moved = (mf.items.weight.detach() - start).norm(dim=1)
print("cold items moved by", [round(v, 3) for v in moved[45:].tolist()])
