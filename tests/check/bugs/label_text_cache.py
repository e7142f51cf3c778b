import torch
from torch import nn
import torch.nn.functional as F

LABELS = ["red apple", "green apple", "blue car", "red car"]


class Matcher(nn.Module):
    def __init__(self, dim=8):
        super().__init__()
        words = sorted({w for label in LABELS for w in label.split()})
        self.index = {w: i for i, w in enumerate(words)}
        self.word = nn.Embedding(len(words), dim)
        self.mix = nn.Linear(dim, dim)
        self.image = nn.Linear(6, dim)
        self.cache = None

    def label_vectors(self):
        if self.cache is None:
            ids = [torch.tensor([self.index[w] for w in t.split()]) for t in LABELS]
            rows = [self.word(k).mean(0) for k in ids]
            self.cache = F.normalize(self.mix(torch.stack(rows)), dim=-1)
        return self.cache

    def forward(self, images):
        return 10 * F.normalize(self.image(images), dim=-1) @ self.label_vectors().t()


torch.manual_seed(6)
matcher = Matcher()
opt = torch.optim.Adam(matcher.parameters(), lr=1e-2)
for step in range(3):
    images = torch.randn(16, 6)
    which = (images[:, 0] > 0).long() * 2 + (images[:, 1] > 0).long()
    loss = F.cross_entropy(matcher(images), which)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item())
