"""A reversing translator: GRU with attention, teacher forcing at random, beam search at the end."""

import random

import torch
import torch.nn.functional as F
from torch import nn

TOKENS, START, LENGTH = 8, 7, 4


class Seq2Seq(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.embedding = nn.Embedding(TOKENS, width)
        self.encoder = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * width, width)
        self.cell = nn.GRUCell(width, width)
        self.out = nn.Linear(2 * width, TOKENS)

    def encode(self, source):
        memory, _ = self.encoder(self.embedding(source))
        memory = self.bridge(memory)
        return memory, torch.tanh(memory.mean(1))

    def step(self, token, h, memory):
        h = self.cell(self.embedding(token), h)
        weights = F.softmax((memory @ h.unsqueeze(2)).squeeze(2), dim=1)
        context = (weights.unsqueeze(2) * memory).sum(1)
        return self.out(torch.cat([h, context], 1)), h

    def forward(self, source, target, forcing):
        memory, h = self.encode(source)
        token = torch.full((len(source),), START)
        logits = []
        for t in range(target.shape[1]):
            out, h = self.step(token, h, memory)
            logits.append(out)
            token = target[:, t] if random.random() < forcing else out.argmax(1)
        return torch.stack(logits, 1)

    @torch.no_grad()
    def beam_search(self, source, beams=3):
        memory, h = self.encode(source.unsqueeze(0))
        hypotheses = [(0.0, [START], h)]
        for _ in range(LENGTH):
            grown = []
            for score, tokens, h in hypotheses:
                out, following = self.step(torch.tensor([tokens[-1]]), h, memory)
                best = F.log_softmax(out, 1).topk(beams)
                for s, i in zip(best.values[0].tolist(), best.indices[0].tolist(), strict=True):
                    grown.append((score + s, [*tokens, i], following))
            hypotheses = sorted(grown, key=lambda g: -g[0])[:beams]
        return hypotheses[0][1][1:]


random.seed(0)
torch.manual_seed(0)
model = Seq2Seq()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(105):
    source = torch.randint(START, (48, LENGTH))
    target = source.flip(1)
    logits = model(source, target, forcing=1.0 if step < 50 else 0.5)
    loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()

model.eval()
sources = torch.randint(START, (10, LENGTH))
right = sum(model.beam_search(s) == s.flip(0).tolist() for s in sources)
print(f"loss {loss.item():.3f}, {right} of 10 reversed")
assert right >= 7
