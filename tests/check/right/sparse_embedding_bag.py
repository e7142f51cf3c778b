"""EmbeddingBag with sparse gradients and SparseAdam, the classifier with Adam."""

import torch
from torch import nn

torch.manual_seed(0)
WORDS = 200
bag = nn.EmbeddingBag(WORDS, 8, mode="mean", sparse=True)
classifier = nn.Linear(8, 2)
sparse = torch.optim.SparseAdam(bag.parameters(), lr=3e-2)
dense = torch.optim.Adam(classifier.parameters(), lr=1e-2)
polarity = torch.randn(WORDS)
never = torch.arange(WORDS) >= 190  # words that occur in no text
before = bag.weight[never].clone()


def texts(n):
    lengths = torch.randint(3, 9, (n,))
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)[:-1]])
    words = torch.randint(190, (int(lengths.sum()),))
    owner = torch.repeat_interleave(torch.arange(n), lengths)
    score = torch.zeros(n).index_add_(0, owner, polarity[words])
    return words, offsets, (score > 0).long()


losses = []
for step in range(100):
    words, offsets, label = texts(64)
    loss = nn.functional.cross_entropy(classifier(bag(words, offsets)), label)
    sparse.zero_grad()
    dense.zero_grad()
    loss.backward()
    assert bag.weight.grad.is_sparse
    sparse.step()
    dense.step()
    losses.append(loss.item())

print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
assert torch.equal(before, bag.weight[never])
assert sum(losses[-10:]) / 10 < 0.5
