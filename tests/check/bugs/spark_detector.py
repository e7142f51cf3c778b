import math
import torch
from torch import nn


class Detector(nn.Module):
    def __init__(self, prior=1e-2):
        super().__init__()
        self.scan = nn.Conv1d(1, 6, 7, stride=2)
        self.hidden = nn.Linear(6 * 13, 20)
        self.score = nn.Linear(20, 1)
        self.start(prior)

    def start(self, prior):
        nn.init.kaiming_uniform_(self.hidden.weight)
        nn.init.constant_(self.hidden.bias, -1.0 / prior)
        nn.init.constant_(self.score.bias, math.log(prior / (1 - prior)))

    def forward(self, trace):
        h = torch.relu(self.scan(trace)).flatten(1)
        h = torch.relu(self.hidden(h))
        return self.score(h).squeeze(1)


torch.manual_seed(22)
net = Detector()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
traces = torch.randn(30, 1, 32)
sparks = (traces.amax(-1).squeeze(1) > 2.2).float()
bce = nn.BCEWithLogitsLoss()
for epoch in range(5):
    optimizer.zero_grad()
    loss = bce(net(traces), sparks)
    loss.backward()
    optimizer.step()
    print(epoch, round(loss.item(), 5))
