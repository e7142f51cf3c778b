"""A frozen, pretrained embedding beside a small one that learns, both with a padding row."""

import torch
from torch import nn

torch.manual_seed(0)
WORDS, PAD = 30, 0
pretrained = torch.randn(WORDS, 6)
pretrained[PAD] = 0


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.fixed = nn.Embedding.from_pretrained(pretrained, freeze=True, padding_idx=PAD)
        self.learnt = nn.Embedding(WORDS, 2, padding_idx=PAD)
        self.head = nn.Linear(8, 1)

    def forward(self, ids):
        h = torch.cat([self.fixed(ids), self.learnt(ids)], -1)
        length = (ids != PAD).sum(1, keepdim=True).clamp(min=1)
        return self.head(h.sum(1) / length).squeeze(1)


model = Classifier()
trainable = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.SGD(trainable, lr=1.0)  # no momentum: rows that are not read stay put
secret = torch.randn(WORDS)
secret[PAD] = 0
before = model.fixed.weight.clone(), model.learnt.weight[25:].clone()
losses = []
for step in range(200):
    ids = torch.randint(1, 25, (32, 7))  # the words from 25 on never occur
    ids[torch.arange(7) >= torch.randint(1, 8, (32, 1))] = PAD
    target = (secret[ids].sum(1) > 0).float()
    loss = nn.functional.binary_cross_entropy_with_logits(model(ids), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

assert torch.equal(before[0], model.fixed.weight)
assert torch.equal(before[1], model.learnt.weight[25:])
assert not model.learnt.weight[PAD].any()
print(f"{losses[0]:.3f} -> {sum(losses[-20:]) / 20:.3f}")
assert sum(losses[-20:]) / 20 < 0.45
