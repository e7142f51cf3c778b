import torch
from torch import nn


class Cross(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(dim, dim) for _ in range(3))
        self.dim = dim

    def forward(self, x, memory):
        scores = self.q(x) @ self.k(memory).mT / self.dim ** 0.5
        weights = scores.softmax(1)
        self.weights = weights.detach()
        return weights @ self.v(memory)


class Translate(nn.Module):
    def __init__(self, words=30, dim=12):
        super().__init__()
        self.src = nn.Embedding(words, dim)
        self.dst = nn.Embedding(words, dim)
        self.cross = Cross(dim)
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, words)

    def forward(self, src, dst):
        x = self.dst(dst)
        return self.out(self.norm(x + self.cross(x, self.src(src))))


torch.manual_seed(9)
net = Translate()
opt = torch.optim.AdamW(net.parameters(), lr=5e-3)
for step in range(5):
    src = torch.randint(0, 30, (8, 7))
    dst = (src.flip(1)[:, :6] + 1) % 30
    logits = net(src, dst[:, :-1])
    loss = nn.functional.cross_entropy(logits.transpose(1, 2), dst[:, 1:])
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item())
