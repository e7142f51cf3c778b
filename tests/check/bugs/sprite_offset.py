import torch
from torch import nn


class Reader(nn.Module):
    def __init__(self, width: int = 20):
        super().__init__()
        self.width = width
        self.shift = nn.Linear(width, 1)
        self.look = nn.Linear(5, 3)

    def forward(self, strip: torch.Tensor) -> torch.Tensor:
        where = torch.sigmoid(self.shift(strip)) * (self.width - 5)
        column = where.long() + torch.arange(5)
        window = strip.gather(1, column)
        return self.look(window)


def batches(n: int):
    for _ in range(n):
        strip = torch.zeros(12, 20)
        pos = torch.randint(0, 15, (12,))
        kind = torch.randint(0, 3, (12,))
        for i, (p, k) in enumerate(zip(pos.tolist(), kind.tolist())):
            strip[i, p:p + 5] = torch.tensor([k + 1.0, 0, 2.0, 0, 3.0 - k])
        yield strip, kind


torch.manual_seed(2)
reader = Reader()
optimizer = torch.optim.RMSprop(reader.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for n, (strip, kind) in enumerate(batches(4)):
    optimizer.zero_grad()
    loss = criterion(reader(strip), kind)
    loss.backward()
    optimizer.step()
    print(n, loss.item())
