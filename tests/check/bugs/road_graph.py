import torch
from torch import nn


class Junctions(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.inp = nn.Linear(3, dim)
        self.msg = nn.Linear(dim, dim)
        self.out = nn.Linear(2 * dim, 1)

    def aggregate(self, h, edges):
        src, dst = edges
        total = torch.zeros_like(h).index_add(0, dst, self.msg(h)[src])
        degree = torch.zeros(h.shape[0]).index_add(0, dst, torch.ones(dst.shape[0]))
        return total / degree.unsqueeze(1)

    def forward(self, x, edges):
        h = torch.relu(self.inp(x))
        agg = self.aggregate(h, edges)
        return self.out(torch.cat([h, agg], dim=1)).squeeze(1)


def town(n=14, m=30):
    src = torch.randint(0, n, (m,))
    dst = torch.randint(0, n - 2, (m,))
    return torch.randn(n, 3), torch.stack([src, dst])


torch.manual_seed(0)
net = Junctions(8)
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
for step in range(3):
    x, edges = town()
    flow = x.abs().sum(1)
    loss = nn.functional.mse_loss(net(x, edges), flow)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print("step", step, "loss", loss.item())
