"""Reentrant checkpoints over the layers of an encoder; their input asks for gradients."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential


class Tagger(nn.Module):
    def __init__(self, tokens=12, width=16):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 2, 32, dropout=0.1, batch_first=True)
            for _ in range(2)
        )
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.out = nn.Linear(width, 2)

    def forward(self, tokens):
        # Made by the embedding, so it requires a gradient: the parameters inside get theirs.
        x = self.embedding(tokens)
        for layer in self.encoder:
            x = checkpoint(layer, x, use_reentrant=True) if self.training else layer(x)
        if self.training:
            x = checkpoint_sequential(self.head, 2, x, use_reentrant=True)
        else:
            x = self.head(x)
        return self.out(x)


torch.manual_seed(0)
model = Tagger()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
for step in range(40):
    tokens = torch.randint(12, (32, 6))
    target = (tokens == tokens.max(1, keepdim=True).values).long()
    loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), target.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 10 == 0:
        print(f"{step:2d} loss {loss.item():.3f}")

assert all(p.grad is not None and p.grad.any() for p in model.parameters())
model.eval()
with torch.no_grad():
    tokens = torch.randint(12, (200, 6))
    target = (tokens == tokens.max(1, keepdim=True).values).long()
    accuracy = (model(tokens).argmax(2) == target).float().mean().item()
print(f"accuracy {accuracy:.3f}")
assert accuracy > 0.8
