import torch
from torch import nn


class Reader(nn.Module):
    def __init__(self, vocab, dim):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim)
        self.q = nn.Parameter(torch.randn(dim) * 0.2)
        self.k = nn.Linear(dim, dim)
        self.answer = nn.Linear(dim, 2)

    def forward(self, ids):
        x = self.emb(ids)
        scores = self.k(x) @ self.q
        blocked = ids.eq(0)
        scores = scores.masked_fill(blocked, float("-inf"))
        weights = scores.softmax(dim=1)
        return self.answer((weights.unsqueeze(-1) * x).sum(1))


def batch(messages, width):
    ids = torch.zeros(len(messages), width, dtype=torch.long)
    for row, m in zip(ids, messages):
        row[:len(m)] = torch.tensor([ord(c) % 31 + 1 for c in m], dtype=torch.long)
    return ids


MESSAGES = ["hello", "is it open", "", "no", "thanks a lot", "where", "yes", "twelve"]
LABELS = torch.tensor([0, 1, 0, 0, 0, 1, 0, 0])

torch.manual_seed(18)
reader = Reader(33, 10)
opt = torch.optim.Adam(reader.parameters(), 0.02)
for epoch in range(3):
    for i in range(0, 8, 2):
        ids = batch(MESSAGES[i:i + 2], 12)
        loss = nn.functional.cross_entropy(reader(ids), LABELS[i:i + 2])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(epoch, loss.item())
