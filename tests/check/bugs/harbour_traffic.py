import argparse
import torch
from torch import nn


def parse(argv=None):
    p = argparse.ArgumentParser()
    p.add_argument("--epochs", type=int, default=3)
    p.add_argument("--hidden", type=int, default=12)
    p.add_argument("--lr", type=float, default=0.05)
    return p.parse_args(argv if argv is not None else [])


def validate(net, x, y):
    torch.set_grad_enabled(False)
    net.eval()
    score = nn.functional.smooth_l1_loss(net(x), y)
    net.train()
    return score.item()


def train_epoch(net, opt, x, y):
    total = 0.0
    for i in range(0, len(x), 16):
        opt.zero_grad()
        loss = nn.functional.smooth_l1_loss(net(x[i:i + 16]), y[i:i + 16])
        loss.backward()
        opt.step()
        total += loss.item()
    return total


def main():
    args = parse()
    torch.manual_seed(3)
    ships = torch.randn(64, 7)
    delay = ships.sum(1, keepdim=True).relu()
    net = nn.Sequential(nn.Linear(7, args.hidden), nn.ReLU(), nn.Linear(args.hidden, 1))
    opt = torch.optim.SGD(net.parameters(), lr=args.lr)
    for epoch in range(args.epochs):
        t = train_epoch(net, opt, ships[:48], delay[:48])
        v = validate(net, ships[48:], delay[48:])
        print(epoch, f"train {t:.3f} valid {v:.3f}")


if __name__ == "__main__":
    main()
