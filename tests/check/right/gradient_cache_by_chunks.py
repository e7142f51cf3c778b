"""Gradient caching: a contrastive loss over a large batch, the encoder run in chunks."""

import torch
import torch.nn.functional as F
from torch import nn

CHUNK = 16


def step(encoder, x, y):
    # 1. all embeddings, without a graph
    with torch.no_grad():
        z = torch.cat(
            [encoder(torch.cat([a, b], 1)) for a, b in zip(x.split(CHUNK), y.split(CHUNK))]
        )
    # 2. the loss, as a function of the embeddings alone
    z = z.detach().requires_grad_()
    a, b = F.normalize(z[:, :4], dim=1), F.normalize(z[:, 4:], dim=1)
    loss = F.cross_entropy(a @ b.t() * 8, torch.arange(len(z)))
    loss.backward()
    # 3. chunk by chunk once more, with a graph, from the cached gradients
    chunks = zip(x.split(CHUNK), y.split(CHUNK), z.grad.split(CHUNK))
    for inputs, others, gradient in chunks:
        encoder(torch.cat([inputs, others], 1)).backward(gradient)
    return loss.detach()


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.left = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 4))
        self.right = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, pair):
        return torch.cat([self.left(pair[:, :6]), self.right(pair[:, 6:])], 1)


torch.manual_seed(0)
encoder = Encoder()
optimizer = torch.optim.Adam(encoder.parameters(), lr=5e-3)
to_x, to_y = torch.randn(3, 6), torch.randn(3, 5)
losses = []
for i in range(80):
    meaning = torch.randn(64, 3)
    optimizer.zero_grad()
    losses.append(step(encoder, meaning @ to_x, meaning @ to_y))
    optimizer.step()

losses = torch.stack(losses)
print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-5:].mean() < 0.6 * losses[:5].mean()
