import csv
import io
import torch
from torch import nn

FILE = """width,height,red,blue,sign
0.4,0.4,0.9,0.1,0
0.5,0.4,0.1,0.8,1
0.3,0.6,0.2,0.7,1
0.4,0.4,0.8,0.2,0
0.7,0.3,0.1,0.1,2
0.6,0.3,0.2,0.2,2
"""


def read(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    table = torch.tensor([[float(v) for v in row.values()] for row in rows])
    return table[:, :-1], table[:, -1]


class Signs(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.first = nn.Linear(n_in, 8)
        self.last = nn.Linear(8, n_out)

    def forward(self, x):
        return self.last(self.first(x).tanh())


torch.manual_seed(21)
x, sign = read(FILE)
net = Signs(x.shape[1], 3)
opt = torch.optim.SGD(net.parameters(), lr=0.2)
for epoch in range(5):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(net(x), sign)
    loss.backward()
    opt.step()
    print(epoch, loss.item())
