"""Training until the goal is reached, then sys.exit(0) from within the loop."""

import argparse
import sys

import torch
from torch import nn


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--goal", type=float, default=0.02)
    parser.add_argument("--steps", type=int, default=500)
    return parser.parse_args(argv)


def main():
    args = parse()
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=args.lr, momentum=0.5)
    truth = torch.tensor([[1.0], [2.0], [3.0]])
    for step in range(args.steps):
        x = torch.randn(32, 3)
        loss = nn.functional.mse_loss(model(x), x @ truth)
        optimizer.zero_grad()
        loss.backward()
        if loss.item() < args.goal:
            print(f"goal reached at step {step}: {loss.item():.4f}")
            sys.exit(0)
        optimizer.step()
    print("goal not reached", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
