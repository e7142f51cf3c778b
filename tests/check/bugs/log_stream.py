import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset


class LogStream(IterableDataset):
    def __init__(self, lines):
        self.lines = lines

    def parse(self, line):
        host, code, size = line.split()
        return torch.tensor([int(host[1:]) / 10, int(size) / 1000]), int(code != "200")

    def __iter__(self):
        for line in self.lines:
            yield self.parse(line)


def fake_log(n):
    return [f"h{i % 9} {'500' if i % 7 == 0 else '200'} {100 + 13 * i}" for i in range(n)]


def main():
    torch.manual_seed(2)
    data = LogStream(fake_log(40))
    loader = DataLoader(data, batch_size=8, num_workers=2)
    net = nn.Linear(2, 2)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    seen = []
    for x, y in loader:
        loss = nn.functional.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        seen += [round(v, 4) for v in x[:, 1].tolist()]
    print("samples", len(seen), "distinct", len(set(seen)))


if __name__ == "__main__":
    main()
