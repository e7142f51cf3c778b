import torch
from torch import nn


class SentenceModel(nn.Module):
    def __init__(self, vocab: int = 40, dim: int = 8):
        super().__init__()
        self.table = nn.Embedding(vocab, dim, padding_idx=0)

    def forward(self, ids):
        pooled = self.table(ids).mean(1)
        return pooled / pooled.norm(dim=1, keepdim=True)


def pull(a, b, margin=0.2):
    sim = a @ b.T
    pos = sim.diagonal()
    others = 1 - torch.eye(len(sim))
    return (torch.relu(margin + sim - pos[:, None]) * others).mean()


def make(n, g):
    a = torch.randint(1, 40, (n, 6), generator=g)
    for row, keep in zip(a, torch.randint(0, 7, (n,), generator=g)):
        row[keep:] = 0
    return a, a.flip(1)


g = torch.Generator().manual_seed(5)
torch.manual_seed(5)
encoder = SentenceModel()
opt = torch.optim.Adagrad(encoder.parameters(), lr=0.1)
for step in range(4):
    left, right = make(16, g)
    loss = pull(encoder(left), encoder(right))
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item())
