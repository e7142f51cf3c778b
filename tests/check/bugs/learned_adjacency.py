import torch
from torch import nn


class Roads(nn.Module):
    def __init__(self, nodes, features, hidden):
        super().__init__()
        self.strength = nn.Parameter(torch.randn(nodes, nodes) * 0.1)
        self.first = nn.Linear(features, hidden)
        self.second = nn.Linear(hidden, 1)

    def adjacency(self):
        a = torch.sigmoid(self.strength)
        return a / a.sum(1, keepdim=True)

    def forward(self, x, adj):
        h = torch.tanh(adj @ self.first(x))
        return self.second(adj @ h).squeeze(-1)


torch.manual_seed(14)
net = Roads(nodes=10, features=4, hidden=6)
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
adj = net.adjacency()
traffic = torch.randn(5, 10, 4)
queue = traffic.abs().sum(-1).roll(1, dims=1)

for day in range(5):
    predicted = net(traffic[day], adj)
    loss = nn.functional.l1_loss(predicted, queue[day])
    opt.zero_grad()
    loss.backward()
    opt.step()
    print("day", day, f"{loss.item():.3f}")
