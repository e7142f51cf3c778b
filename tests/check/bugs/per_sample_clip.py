import torch
from torch import nn
import torch.nn.functional as F


def private_gradients(params, losses, limit):
    total = [torch.zeros_like(p) for p in params]
    for each in losses:
        grads = torch.autograd.grad(each, params)
        norm = torch.sqrt(sum(g.square().sum() for g in grads))
        factor = min(1.0, limit / (norm.item() + 1e-6))
        for t, g in zip(total, grads):
            t.add_(g, alpha=factor)
    return [t / len(losses) for t in total]


class SurveyNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(6, 10)
        self.answer = nn.Linear(10, 2)

    def forward(self, x):
        return self.answer(torch.relu(self.trunk(x)))


torch.manual_seed(15)
net = SurveyNet()
params = list(net.parameters())
opt = torch.optim.SGD(params, lr=0.1)
for rnd in range(2):
    x, y = torch.randn(8, 6), torch.randint(0, 2, (8,))
    losses = F.cross_entropy(net(x), y, reduction="none")
    for p, g in zip(params, private_gradients(params, losses, limit=1.0)):
        p.grad = g + 0.1 * torch.randn_like(g)
    opt.step()
    print(rnd, losses.mean().item())
