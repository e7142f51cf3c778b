import torch
from torch import nn
import torch.nn.functional as F


class Experts(nn.Module):
    def __init__(self, d_in, d_out, n, p=0.2):
        super().__init__()
        self.route = nn.Linear(d_in, n)
        self.weight = nn.Parameter(torch.randn(n, d_in, d_out) / d_in ** 0.5)
        self.p = p

    def forward(self, x):
        gate = torch.softmax(self.route(x), dim=-1)
        gate = F.dropout(gate, self.p, self.training, inplace=True)
        each = torch.einsum("bi,nio->bno", x, self.weight)
        return torch.einsum("bn,bno->bo", gate, each)


def main():
    torch.manual_seed(9)
    model = nn.Sequential(Experts(6, 10, 4), nn.Tanh(), nn.Linear(10, 1))
    opt = torch.optim.Adam(model.parameters(), lr=5e-3)
    x = torch.randn(64, 6)
    y = torch.where(x[:, :1] > 0, x[:, 1:2], -x[:, 2:3])
    for epoch in range(3):
        opt.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        opt.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
