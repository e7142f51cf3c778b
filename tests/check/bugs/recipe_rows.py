import io
import torch
from torch import nn

LINE = "{},{},{},{}"
ROWS = [(200 + 5 * i, i % 4, 60 + i % 9, 15 + 2 * (i % 4)) for i in range(48)]
RECIPES = "\n".join(LINE.format(*row) for row in ROWS)


def read(handle):
    for line in handle:
        flour, eggs, water, minutes = map(float, line.split(","))
        yield torch.tensor([flour / 500, eggs / 4, water / 100]), torch.tensor(minutes)


def batches(rows, size):
    xs, ys = [], []
    for x, y in rows:
        xs.append(x)
        ys.append(y)
        if len(xs) == size:
            yield torch.stack(xs), torch.stack(ys)
            xs, ys = [], []


torch.manual_seed(14)
net = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 1), nn.Flatten(0))
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
rows = read(io.StringIO(RECIPES))
for epoch in range(3):
    updates = 0
    for x, y in batches(rows, 12):
        loss = nn.functional.l1_loss(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        updates += 1
    print("epoch", epoch, "updates", updates, "loss", round(loss.item(), 3))
