"""Sparse embedding gradients, complex and double parameters, integers, and empty tensors."""

import torch
from _digest import report, seed
from torch import nn

seed(11)
embedding = nn.Embedding(20, 4, sparse=True)
bag = nn.EmbeddingBag(20, 4, sparse=True, mode="sum")
rotation = nn.Parameter(torch.randn(4, dtype=torch.complex64))
scale = nn.Parameter(torch.ones((), dtype=torch.double))
nothing = nn.Parameter(torch.empty(0, 3))
counts = torch.zeros(20, dtype=torch.int64)
sparse_optimizer = torch.optim.SparseAdam([embedding.weight, bag.weight], lr=0.01)
dense_optimizer = torch.optim.Adam([rotation, scale, nothing], lr=0.01)

for step in range(6):
    tokens = torch.randint(20, (8, 3))
    counts.index_add_(0, tokens.flatten(), torch.ones(24, dtype=torch.int64))
    words = embedding(tokens).mean(dim=1) + bag(tokens)
    turned = torch.fft.fft(torch.complex(words, words.flip(0)) * rotation)
    loss = (turned.abs().mean() + turned.conj().angle().square().mean()) * scale + nothing.sum()
    sparse_optimizer.zero_grad()
    dense_optimizer.zero_grad()
    loss.backward()
    sparse_optimizer.step()
    dense_optimizer.step()
    print(f"step {step} loss {loss.item():.6f} {loss.dtype} {embedding.weight.grad.layout}")

print("most frequent token", int(counts.argmax()), "seen", int(counts.max()))
report(
    embedding=embedding,
    bag=bag,
    rotation=rotation,
    scale=scale,
    nothing=nothing,
    counts=counts,
    optimizers=[sparse_optimizer, dense_optimizer],
    flags=torch.tensor([True, False]),
    half=turned.real.to(torch.float16),
)
