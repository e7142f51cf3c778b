import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader


def make_songs(n, seed=5):
    g = torch.Generator().manual_seed(seed)
    lengths = torch.randint(4, 9, (n,), generator=g).tolist()
    return [torch.randint(1, 13, (k,), generator=g) for k in lengths]


def pack(items):
    notes = pad_sequence([s[:-1] for s in items[:-1]], batch_first=True)
    following = pad_sequence([s[1:] for s in items[:-1]], batch_first=True)
    return notes, following


class Composer(nn.Module):
    def __init__(self, notes=13, dim=8):
        super().__init__()
        self.emb = nn.Embedding(notes, dim, padding_idx=0)
        self.rnn = nn.GRU(dim, 12, batch_first=True)
        self.out = nn.Linear(12, notes)

    def forward(self, x):
        h, _ = self.rnn(self.emb(x))
        return self.out(h).transpose(1, 2)


torch.manual_seed(12)
songs = make_songs(40)
loader = DataLoader(songs, batch_size=4, collate_fn=pack)
composer = Composer()
opt = torch.optim.Adam(composer.parameters(), lr=1e-2)
loss_fn = nn.CrossEntropyLoss(ignore_index=0)
used = 0
for notes, following in loader:
    loss = loss_fn(composer(notes), following)
    opt.zero_grad()
    loss.backward()
    opt.step()
    used += len(notes)
print("loss", loss.item(), "songs used", used, "of", len(songs))
