import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Visits(Dataset):
    def __init__(self, records):
        self.records = records

    def __len__(self):
        return len(self.records)

    def __getitem__(self, i):
        r = self.records[i]
        sample = {"age": torch.tensor(r["age"] / 100), "again": torch.tensor(float(r["again"]))}
        if "fever" in r:
            sample["fever"] = torch.tensor(r["fever"] - 36.5)
        return sample


def fake_records(n):
    out = []
    for i in range(n):
        r = {"age": 20 + (i * 7) % 60, "again": i % 3 == 0}
        if i % 8 != 5:
            r["fever"] = 36.0 + (i % 5) * 0.6
        out.append(r)
    return out


torch.manual_seed(17)
loader = DataLoader(Visits(fake_records(32)), batch_size=4)
net = nn.Linear(2, 1)
opt = torch.optim.SGD(net.parameters(), lr=0.5)
for epoch in range(2):
    for batch in loader:
        x = torch.stack([batch["age"], batch["fever"]], dim=1)
        loss = nn.functional.binary_cross_entropy_with_logits(net(x)[:, 0], batch["again"])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(epoch, loss.item())
