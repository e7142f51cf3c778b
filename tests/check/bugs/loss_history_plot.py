import torch
from torch import nn


class Log:
    def __init__(self):
        self.losses = []
        self.norms = []

    def add(self, loss, norm):
        self.losses.append(loss)
        self.norms.append(norm)

    def smooth(self, k=5):
        tail = self.losses[-k:]
        return float(sum(tail).detach()) / len(tail)


def make_model():
    hidden = [nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(64, 1))


torch.manual_seed(20)
model, log = make_model(), Log()
opt = torch.optim.SGD(model.parameters(), lr=0.02)
for step in range(60):
    x = torch.randn(128, 10)
    loss = nn.functional.mse_loss(model(x), x.prod(1, keepdim=True))
    opt.zero_grad()
    loss.backward()
    norm = sum(float(p.grad.square().sum()) for p in model.parameters()) ** 0.5
    opt.step()
    log.add(loss, norm)
    if step % 20 == 19:
        print(step, round(log.smooth(), 4), round(log.norms[-1], 4))
