"""Weights in two places, layers frozen and thawed, and a leaf that is shared by two losses."""

import torch
from _digest import report, seed
from torch import nn


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 8, padding_idx=0)
        self.mix = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.mix.append(self.mix[0])
        self.head = nn.Linear(8, 11)
        self.head.weight = self.embed.weight

    def forward(self, words):
        hidden = self.embed(words)
        for each in self.mix:
            hidden = hidden + each(hidden).relu()
        return self.head(hidden)


seed(36)
model = Words()
print("tied", model.head.weight is model.embed.weight, len(list(model.parameters())))
for parameter in model.mix[1].parameters():
    parameter.requires_grad = False
trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.Adam(trained, lr=0.01)
words = torch.randint(11, (4, 6))

for step in range(5):
    if step == 3:
        model.mix[1].requires_grad_(True)
        optimizer.add_param_group({"params": model.mix[1].parameters(), "lr": 0.1})
        model.embed.requires_grad_(False)
    logits = model(words[:, :-1])
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), words[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    print(f"step {step} loss {loss.item():.8f} without {without}")

print("still tied", model.head.weight is model.embed.weight, model.state_dict().keys())
report(model=model, optimizer=optimizer)
