import torch
from torch import nn


class Sorter(nn.Module):
    """Scores items so that a soft sort puts them in order."""

    def __init__(self, d):
        super().__init__()
        self.embed = nn.Linear(d, 16)
        self.score = nn.Linear(16, 1)
        self.register_parameter("frozen_scale", nn.Parameter(torch.ones(1), requires_grad=False))

    def forward(self, items):
        return self.score(torch.relu(self.embed(items))).squeeze(-1) * self.frozen_scale


def listwise(scores, gain):
    return -(gain.softmax(-1) * scores.log_softmax(-1)).sum(-1).mean()


torch.manual_seed(7)
net = Sorter(6)
params = filter(lambda p: p.requires_grad, net.parameters())
opt = torch.optim.SGD(params, lr=0.5)
for epoch in range(4):
    items = torch.randn(10, 8, 6) * 5
    gain = items[..., 0]
    loss = listwise(net(items), gain)
    opt.zero_grad()
    loss.backward()
    total = nn.utils.clip_grad_norm_(params, max_norm=0.1)
    opt.step()
    print(epoch, loss.item(), float(total))
