import argparse
import torch
from torch import nn

ap = argparse.ArgumentParser()
ap.add_argument("--lr", type=float, default=0.1)
ap.add_argument("--epochs", type=int, default=12)
ap.add_argument("--seed", type=int, default=0)
args = ap.parse_args()

torch.manual_seed(args.seed)
area = torch.rand(80, 1) * 180 + 20
rooms = (area / 30).round()
year = 1900 + torch.rand(80, 1) * 120
x = torch.cat([area, rooms, year - 1900], 1)
price = 2.5 * area + 11 * rooms + 0.8 * (year - 1900)

model = nn.Linear(3, 1)
sgd = torch.optim.SGD(model.parameters(), lr=args.lr)
criterion = nn.MSELoss()


def epoch():
    last = None
    for rows in torch.randperm(80).split(20):
        sgd.zero_grad()
        last = criterion(model(x[rows]), price[rows])
        last.backward()
        sgd.step()
    return last.item()


for e in range(args.epochs):
    print(f"{e:3d} {epoch():.4g}")
