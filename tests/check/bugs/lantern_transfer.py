import torch
from torch import nn
from collections import OrderedDict


def lantern_net(n_out):
    return nn.Sequential(OrderedDict(
        stem=nn.Sequential(nn.Conv1d(2, 8, 3), nn.ReLU(), nn.Conv1d(8, 8, 3), nn.ReLU()),
        pool=nn.AdaptiveMaxPool1d(1),
        flat=nn.Flatten(),
        answer=nn.Linear(8, n_out),
    ))


torch.manual_seed(33)
classifier = lantern_net(6)
for part in classifier.children():
    part.requires_grad = False
classifier.answer = nn.Linear(8, 3)

signal = torch.randn(24, 2, 18)
label = torch.randint(0, 3, (24,))
opt = torch.optim.SGD(classifier.parameters(), lr=0.1)
before = sum(p.numel() for p in classifier.parameters() if p.requires_grad)
print("trainable numbers:", before)
for i in range(4):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(classifier(signal), label)
    loss.backward()
    opt.step()
    print(i, loss.item())
