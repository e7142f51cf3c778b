import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, SubsetRandomSampler


class Leaves(Dataset):
    def __init__(self, n):
        self.rows = [([float(i % 7), float(i % 3), float(i)], i % 3) for i in range(n)]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        values, species = self.rows[i]
        return torch.tensor(values), species


def make_folds(data, k):
    folds = [[] for _ in range(k)]
    per_class = {}
    for i in range(len(data)):
        kind = data.rows[i][1]
        per_class[kind] = per_class.get(kind, -1) + 1
        folds[per_class[kind] % k].append(i)
    return folds


def run_fold(data, folds, held_out):
    train_idx = [f for n, f in enumerate(folds) if n != held_out]
    sampler = SubsetRandomSampler(train_idx)
    loader = DataLoader(data, batch_size=8, sampler=sampler)
    net = nn.Linear(3, 3)
    opt = torch.optim.SGD(net.parameters(), lr=0.01)
    for x, y in loader:
        loss = nn.functional.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
    return loss.item()


torch.manual_seed(1)
leaves = Leaves(60)
folds = make_folds(leaves, 5)
for held_out in range(2):
    print(held_out, run_fold(leaves, folds, held_out))
