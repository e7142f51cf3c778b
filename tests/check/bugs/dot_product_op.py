import torch
from torch import nn
import torch.nn.functional as F


class Pair(torch.autograd.Function):
    @staticmethod
    def forward(ctx, user, item):
        ctx.save_for_backward(user, item)
        return torch.einsum("nk,nk->n", user, item)

    @staticmethod
    def backward(ctx, g):
        user, item = ctx.saved_tensors
        gu = g[:, None] * user
        gi = g[:, None] * item
        return gu, gi


class Recommender(nn.Module):
    def __init__(self, users, items, k):
        super().__init__()
        self.u = nn.Embedding(users, k)
        self.i = nn.Embedding(items, k)

    def forward(self, u, i):
        return Pair.apply(self.u(u), self.i(i))


torch.manual_seed(8)
taste = torch.randn(15, 12)
rec = Recommender(15, 12, 4)
opt = torch.optim.Adagrad(rec.parameters(), lr=0.2)
for step in range(6):
    u, pos = torch.randint(0, 15, (64,)), torch.randint(0, 12, (64,))
    neg = torch.randint(0, 12, (64,))
    better = (taste[u, pos] > taste[u, neg]).float() * 2 - 1
    loss = -F.logsigmoid(better * (rec(u, pos) - rec(u, neg))).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, round(loss.item(), 4))
