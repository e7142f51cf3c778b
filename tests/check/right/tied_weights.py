"""A language model whose output layer is the embedding (weights tied)."""

import torch
from torch import nn


class TiedModel(nn.Module):
    def __init__(self, tokens, width, hidden):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.rnn = nn.GRU(width, hidden, batch_first=True)
        self.project = nn.Linear(hidden, width)
        self.decoder = nn.Linear(width, tokens, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.decoder.weight = self.embedding.weight

    def forward(self, ids, state=None):
        h, state = self.rnn(self.embedding(ids), state)
        return self.decoder(self.project(h)), state


torch.manual_seed(0)
model = TiedModel(20, 16, 32)
assert len(list(model.parameters())) == len(model.state_dict()) - 1
seen, groups = set(), {True: [], False: []}
for name, p in model.named_parameters(remove_duplicate=False):
    if p not in seen:
        seen.add(p)
        groups["bias" in name].append(p)
optimizer = torch.optim.AdamW(
    [{"params": groups[False], "weight_decay": 0.01}, {"params": groups[True], "weight_decay": 0}],
    lr=1e-2,
)
losses = []
for step in range(80):
    start, stride = torch.randint(20, (32, 1)), torch.randint(1, 4, (32, 1))
    ids = (start + stride * torch.arange(8)) % 20
    logits, _ = model(ids[:, :-1])
    loss = nn.functional.cross_entropy(logits[:, 1:].flatten(0, 1), ids[:, 2:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

assert model.decoder.weight is model.embedding.weight
print(f"{losses[0]:.3f} -> {losses[-1]:.3f}")
assert losses[-1] < 0.5 * losses[0]
