import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_


class Echo(nn.Module):
    def __init__(self, symbols, hidden):
        super().__init__()
        self.rnn = nn.RNN(symbols, hidden, batch_first=True)
        self.out = nn.Linear(hidden, symbols)

    def forward(self, x):
        y, _ = self.rnn(x)
        return self.out(y)


def norm_of(module):
    return sum(p.grad.square().sum() for p in module.parameters()).sqrt().item()


torch.manual_seed(5)
model = Echo(5, 12)
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
norms = []
for step in range(5):
    s = torch.randint(0, 5, (8, 12))
    x = nn.functional.one_hot(s, 5).float() * 6
    optimizer.zero_grad()
    clip_grad_norm_(model.parameters(), 0.25)
    loss = nn.functional.cross_entropy(model(x).transpose(1, 2), s.roll(2, dims=1)) * 20
    loss.backward()
    optimizer.step()
    norms.append(norm_of(model))
print("norms", [round(n, 3) for n in norms])
