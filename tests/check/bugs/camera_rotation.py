import torch
from torch import nn


def skew(w):
    z = torch.zeros_like(w[..., 0])
    x, y, s = w.unbind(-1)
    return torch.stack([z, -s, y, s, z, -x, -y, x, z], -1).reshape(*w.shape[:-1], 3, 3)


class Poses(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.twist = nn.Parameter(torch.zeros(n, 3))

    def forward(self):
        return torch.matrix_exp(skew(self.twist))


def geodesic(a, b):
    trace = (a.transpose(1, 2) @ b).diagonal(dim1=1, dim2=2).sum(-1)
    cosine = ((trace - 1) / 2).clamp(-1, 1)
    return torch.acos(cosine)


torch.manual_seed(15)
goal_twist = 0.4 * torch.randn(6, 3)
goal_twist[0] = 0
goal = torch.matrix_exp(skew(goal_twist))
poses = Poses(6)
opt = torch.optim.Adam(poses.parameters(), lr=0.03)
for it in range(5):
    error = geodesic(poses(), goal).sum()
    opt.zero_grad()
    error.backward()
    opt.step()
    print(it, error.item())
