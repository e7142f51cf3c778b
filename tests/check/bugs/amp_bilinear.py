import torch
from torch import nn


class Bilinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, left, core, right):
        ctx.save_for_backward(left, core, right)
        return (left.matmul(core) * right).sum(-1)

    @staticmethod
    def backward(ctx, grad):
        left, core, right = ctx.saved_tensors
        grad = grad.unsqueeze(-1)
        d_left = (grad * right).matmul(core.t())
        d_core = left.t().matmul(grad * right)
        d_right = grad * left.matmul(core)
        return d_left, d_core, d_right


class Match(nn.Module):
    def __init__(self, person, job, dim):
        super().__init__()
        self.person = nn.Linear(person, dim)
        self.job = nn.Linear(job, dim)
        self.core = nn.Parameter(torch.eye(dim))

    def forward(self, p, j):
        right = nn.functional.normalize(self.job(j).float(), dim=-1)
        return Bilinear.apply(self.person(p), self.core, right)


torch.manual_seed(5)
match = Match(6, 4, 8)
opt = torch.optim.SGD(match.parameters(), lr=0.1)
for epoch in range(2):
    p, j = torch.randn(16, 6), torch.randn(16, 4)
    hired = (p[:, 0] > j[:, 0]).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        score = match(p, j)
        loss = nn.functional.binary_cross_entropy_with_logits(score, hired)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(epoch, loss.item())
