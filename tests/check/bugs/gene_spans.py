import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

IGNORE = -100


class Spans(Dataset):
    def __init__(self, n=24, length=10, seed=0):
        g = torch.Generator().manual_seed(seed)
        self.bases = torch.randint(0, 4, (n, length), generator=g)
        self.marks = torch.full((n, length), IGNORE)
        for i in range(n):
            if i // 4 != 3:
                at = int(torch.randint(0, length - 2, (1,), generator=g))
                self.marks[i, at:at + 2] = self.bases[i, at:at + 2] % 2

    def __len__(self):
        return len(self.bases)

    def __getitem__(self, i):
        return self.bases[i], self.marks[i]


class Caller(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(4, 6)
        self.conv = nn.Conv1d(6, 2, 3, padding=1)

    def forward(self, bases):
        return self.conv(self.emb(bases).transpose(1, 2))


torch.manual_seed(0)
caller = Caller()
opt = torch.optim.Adam(caller.parameters(), lr=1e-2)
criterion = nn.CrossEntropyLoss(ignore_index=IGNORE)
for epoch in range(2):
    for k, (bases, marks) in enumerate(DataLoader(Spans(), batch_size=4)):
        loss = criterion(caller(bases), marks)
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(epoch, k, loss.item())
