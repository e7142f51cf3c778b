import argparse
import torch
from torch import nn


def options():
    p = argparse.ArgumentParser()
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--accum", type=int, default=4)
    p.add_argument("--updates", type=int, default=3)
    return p.parse_args([])


class Summary(nn.Module):
    def __init__(self, vocab=30, dim=12):
        super().__init__()
        self.emb = nn.EmbeddingBag(vocab, dim)
        self.head = nn.Linear(dim, 4)

    def forward(self, bag):
        return self.head(self.emb(bag))


def stream(batch):
    while True:
        bag = torch.randint(0, 30, (batch, 7))
        yield bag, bag.sum(1) % 4


def main():
    args = options()
    torch.manual_seed(4)
    net = Summary()
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    data = stream(args.batch)
    for update in range(args.updates):
        opt.zero_grad()
        shown = 0.0
        for _ in range(args.accum):
            bag, y = next(data)
            loss = nn.functional.cross_entropy(net(bag), y)
            loss.backward()
            shown += loss.item() / args.accum
        opt.step()
        print(update, shown)


main()
