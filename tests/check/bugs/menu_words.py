import torch
from torch import nn

MENU = [
    ("soup of the day", 4.5),
    ("grilled fish with rice", 14.0),
    ("apple cake", 3.8),
    ("grilled steak", 19.0),
    ("rice with vegetables", 9.0),
    ("fish soup", 7.5),
]


def vocabulary(texts, keep):
    counts = {}
    for text in texts:
        for w in text.split():
            counts[w] = counts.get(w, 0) + 1
    common = sorted(counts, key=lambda w: (-counts[w], w))[:keep]
    return {w: i for i, w in enumerate(common)}


def encode(text, vocab):
    return torch.tensor([vocab.get(w, -1) for w in text.split()])


class Price(nn.Module):
    def __init__(self, n, dim=5):
        super().__init__()
        self.table = nn.Embedding(n, dim)
        self.out = nn.Linear(dim, 1)

    def forward(self, ids):
        return self.out(self.table(ids).mean(0))


torch.manual_seed(24)
vocab = vocabulary([t for t, _ in MENU], keep=6)
net = Price(len(vocab))
opt = torch.optim.Adam(net.parameters(), lr=0.1)
for text, price in MENU:
    ids = encode(text, vocab)
    loss = (net(ids) - price).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(text, loss.item())
