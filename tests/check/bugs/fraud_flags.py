import torch
from torch import nn

torch.manual_seed(20)


def transactions(n):
    amount = torch.rand(n) * 8
    hour = torch.randint(0, 24, (n,)).float()
    abroad = (torch.rand(n) < 0.2).float()
    fraud = ((amount > 5) & (abroad > 0)).float()
    return torch.stack([amount, hour / 24, abroad], 1), fraud


net = nn.Sequential(
    nn.Linear(3, 16),
    nn.ReLU(),
    nn.Linear(16, 1),
    nn.Sigmoid(),
)
x, fraud = transactions(200)
weight = (fraud == 0).sum() / fraud.sum().clamp(min=1)
loss_fn = nn.BCEWithLogitsLoss(pos_weight=weight)
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(8):
    risk = net(x).squeeze(1)
    loss = loss_fn(risk, fraud)
    opt.zero_grad()
    loss.backward()
    opt.step()
print("loss", loss.item(), "flagged", int((risk > 0.5).sum()))
