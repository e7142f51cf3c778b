import torch
from torch import nn


class Melody(nn.Module):
    def __init__(self, notes=24, dim=10, depth=2):
        super().__init__()
        self.notes = nn.Embedding(notes, dim)
        self.stack = []
        for _ in range(depth):
            self.stack.append(nn.GRUCell(dim, dim))
        self.out = nn.Linear(dim, notes)

    def forward(self, tune):
        states = [torch.zeros(tune.shape[0], self.out.in_features) for _ in self.stack]
        scores = []
        for t in range(tune.shape[1]):
            h = self.notes(tune[:, t])
            for k, cell in enumerate(self.stack):
                states[k] = h = cell(h, states[k])
            scores.append(self.out(h))
        return torch.stack(scores, dim=1)


torch.manual_seed(6)
net = Melody()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
tunes = torch.randint(0, 24, (6, 9))
for epoch in range(4):
    scores = net(tunes[:, :-1])
    loss = nn.functional.cross_entropy(scores.flatten(0, 1), tunes[:, 1:].flatten())
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(epoch, f"{loss.item():.4f}")
