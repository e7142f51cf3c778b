import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

RIVERS = "danube rhine volga seine po elbe thames loire ebro tagus dnieper oder".split()
SEA = [0, 1, 2, 3, 4, 1, 1, 3, 4, 3, 0, 5]


class Rivers(Dataset):
    def __init__(self, names, sea):
        self.names = names
        self.sea = sea

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        chars = torch.tensor([ord(c) - 96 for c in self.names[i]])
        return chars, self.sea[i]


class Reader(nn.Module):
    def __init__(self, seas=6):
        super().__init__()
        self.char = nn.Embedding(27, 6, padding_idx=0)
        self.rnn = nn.GRU(6, 10, batch_first=True)
        self.out = nn.Linear(10, seas)

    def forward(self, chars):
        _, h = self.rnn(self.char(chars))
        return self.out(h[-1])


torch.manual_seed(7)
reader = Reader()
loader = DataLoader(Rivers(RIVERS, SEA), batch_size=4, shuffle=True)
opt = torch.optim.Adam(reader.parameters(), lr=1e-2)
for epoch in range(2):
    for chars, sea in loader:
        loss = nn.functional.cross_entropy(reader(chars), sea)
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(epoch, loss.item())
