"""A linear-chain CRF on top of an LSTM, forbidden transitions are -inf."""

import torch
from torch import nn


class CRF(nn.Module):
    def __init__(self, tags):
        super().__init__()
        self.transitions = nn.Parameter(torch.zeros(tags, tags))
        forbidden = torch.zeros(tags, tags, dtype=torch.bool)
        forbidden[0, 2] = True  # O -> I: an inside must follow a beginning or an inside
        self.register_buffer("forbidden", forbidden)
        self.register_buffer("start", torch.tensor([0.0, 0.0, float("-inf")]))

    def scores(self):
        return self.transitions.masked_fill(self.forbidden, float("-inf"))

    def log_partition(self, emissions):
        transitions = self.scores()
        alpha = emissions[:, 0] + self.start
        for t in range(1, emissions.shape[1]):
            alpha = torch.logsumexp(alpha.unsqueeze(2) + transitions, 1) + emissions[:, t]
        return torch.logsumexp(alpha, 1)

    def score(self, emissions, tags):
        total = emissions.gather(2, tags.unsqueeze(2)).sum((1, 2)) + self.start[tags[:, 0]]
        return total + self.scores()[tags[:, :-1], tags[:, 1:]].sum(1)

    def forward(self, emissions, tags):
        return (self.log_partition(emissions) - self.score(emissions, tags)).mean()


torch.manual_seed(0)
embedding = nn.Embedding(6, 16)
lstm = nn.LSTM(16, 16, batch_first=True, bidirectional=True)
project = nn.Linear(32, 3)
crf = CRF(3)
model = nn.ModuleList([embedding, lstm, project, crf])
optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
losses = []
for step in range(50):
    words = torch.randint(6, (32, 8))
    tags = torch.zeros_like(words)
    for t in range(8):
        inside = (tags[:, t - 1] > 0) if t else torch.zeros(32, dtype=torch.bool)
        tags[:, t] = torch.where(words[:, t] >= 4, torch.where(inside, 2, 1), 0)
    emissions = project(lstm(embedding(words))[0])
    loss = crf(emissions, tags)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.5 and all(p.grad.isfinite().all() for p in model.parameters())
