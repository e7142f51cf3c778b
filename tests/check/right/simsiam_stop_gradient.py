"""SimSiam: one encoder, a predictor, the other view under a stop-gradient."""

import argparse

import torch
import torch.nn.functional as F
from torch import nn


def D(p, z):
    z = z.detach()
    p = F.normalize(p, dim=1)
    z = F.normalize(z, dim=1)
    return -(p * z).sum(dim=1).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--lr", type=float, default=0.05)
    args = parser.parse_args()

    torch.manual_seed(3)
    encoder = nn.Sequential(
        nn.Linear(10, 32, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 16, bias=False),
        nn.BatchNorm1d(16, affine=False),
    )
    predictor = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 16))
    optimizer = torch.optim.SGD(
        [{"params": encoder.parameters()}, {"params": predictor.parameters()}],
        lr=args.lr,
        momentum=0.9,
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    centers = torch.randn(5, 10) * 2
    for step in range(args.steps):
        x = centers[torch.randint(5, (64,))]
        x1, x2 = x + 0.2 * torch.randn_like(x), x + 0.2 * torch.randn_like(x)
        z1, z2 = encoder(x1), encoder(x2)
        p1, p2 = predictor(z1), predictor(z2)
        loss = D(p1, z2) / 2 + D(p2, z1) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 20 == 0:
            spread = F.normalize(z1.detach(), dim=1).std(0).mean()
            print(f"{step:3d} loss {loss.item():+.3f} spread {spread:.3f}")
    assert loss.item() < -0.8 and spread > 0.1


if __name__ == "__main__":
    main()
