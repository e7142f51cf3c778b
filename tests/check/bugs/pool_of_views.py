import torch
from torch import nn


def views(images, rounds):
    with torch.no_grad():
        for _ in range(rounds):
            flip = images.flip(-1) if torch.rand(()) < 0.5 else images
            noise = 0.05 * torch.randn_like(images)
            yield flip + noise, images.mean((1, 2))


class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(36, 10), nn.GELU(), nn.Linear(10, 1))

    def forward(self, x):
        return self.layers(x).squeeze(-1)


def run(net, images, rounds=3):
    opt = torch.optim.NAdam(net.parameters(), lr=5e-3)
    for x, brightness in views(images, rounds):
        loss = nn.functional.mse_loss(net(x), brightness)
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(loss.item())


torch.manual_seed(24)
run(Regressor(), torch.rand(15, 6, 6))
