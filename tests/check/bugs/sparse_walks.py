import torch
from torch import nn
import torch.nn.functional as F


class Walker(nn.Module):
    def __init__(self, n, dim):
        super().__init__()
        self.node = nn.EmbeddingBag(n, dim, mode="sum", sparse=True)
        self.context = nn.Embedding(n, dim)

    def forward(self, walk, near, far):
        c = self.node(walk)
        return (c * self.context(near)).sum(1), (c * self.context(far)).sum(1)


def ring_walks(n, count, length, g):
    at = torch.randint(0, n, (count, 1), generator=g)
    moves = torch.randint(0, 2, (count, length), generator=g) * 2 - 1
    return torch.cat([at, at + moves.cumsum(1)], 1) % n


g = torch.Generator().manual_seed(0)
torch.manual_seed(17)
walker = Walker(40, 6)
groups = [
    {"params": walker.node.parameters(), "lr": 0.5},
    {"params": walker.context.parameters(), "lr": 0.1},
]
opt = torch.optim.SGD(groups, lr=0.1, weight_decay=1e-4)
for epoch in range(2):
    walks = ring_walks(40, 32, 5, g)
    pos, neg = walker(walks[:, :3], walks[:, 4], torch.randint(0, 40, (32,), generator=g))
    loss = -(F.logsigmoid(pos) + F.logsigmoid(-neg)).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(epoch, loss.item())
