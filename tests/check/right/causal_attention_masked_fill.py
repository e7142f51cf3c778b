"""A small causal language model; scores are masked in place with -inf."""

import math

import torch
from torch import nn


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x, padding):
        b, t, w = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / math.sqrt(w // self.heads)
        future = torch.ones(t, t, dtype=torch.bool).triu(1)
        scores.masked_fill_(future, float("-inf"))
        # Padding is on the right: every row can at least see the first token.
        scores.masked_fill_(padding[:, None, None, :], float("-inf"))
        out = scores.softmax(-1) @ v
        return self.out(out.transpose(1, 2).reshape(b, t, w))


class LanguageModel(nn.Module):
    def __init__(self, tokens=10, width=32, length=12):
        super().__init__()
        self.token = nn.Embedding(tokens, width, padding_idx=0)
        self.position = nn.Parameter(torch.randn(length, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, 4)
        self.head = nn.Linear(width, tokens)

    def forward(self, ids):
        x = self.token(ids) + self.position[: ids.shape[1]]
        x = x + self.attention(self.norm(x), ids == 0)
        return self.head(x)


torch.manual_seed(0)
model = LanguageModel()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for step in range(80):
    start = torch.randint(9, (32, 1))
    ids = (start + torch.arange(12)) % 9 + 1
    lengths = torch.randint(3, 13, (32, 1))
    ids[torch.arange(12) >= lengths] = 0
    logits = model(ids[:, :-1])
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=0)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        print(f"{step:3d} {loss.item():.3f}")
assert loss.item() < 0.2
