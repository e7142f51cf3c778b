"""Transformer-XL in small: a memory of the last segment, without gradient."""

import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x, memory):
        context = x if memory is None else torch.cat([memory, x], dim=1)
        past = context.shape[1] - x.shape[1]
        mask = torch.ones(x.shape[1], context.shape[1], dtype=torch.bool).triu(past + 1)
        keys = self.norm1(context)
        out, _ = self.attention(self.norm1(x), keys, keys, attn_mask=mask, need_weights=False)
        x = x + out
        return x + self.mlp(self.norm2(x))


class Model(nn.Module):
    def __init__(self, tokens, width=24, depth=2, segment=6):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.position = nn.Parameter(torch.randn(segment, width) * 0.1)
        self.layers = nn.ModuleList(Layer(width) for _ in range(depth))
        self.head = nn.Linear(width, tokens)

    def forward(self, ids, memories=None):
        x = self.embedding(ids) + self.position
        kept = []
        for i, layer in enumerate(self.layers):
            kept.append(x.detach())
            x = layer(x, None if memories is None else memories[i])
        return self.head(x), kept


torch.manual_seed(0)
model = Model(9)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
losses = []
for document in range(40):
    # A document has a theme, and most of its tokens are the theme: what was is of use.
    theme, noise = torch.randint(9, (24, 1)), torch.randint(9, (24, 12))
    segments = torch.where(torch.rand(24, 12) < 0.8, theme, noise).split(6, dim=1)
    memories = None
    for ids in segments:
        logits, memories = model(ids, memories)
        loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    losses.append(loss.item())

print(f"second segments: {losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.75 * losses[0]
