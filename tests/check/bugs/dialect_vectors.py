import torch
from torch import nn


def load_vectors(n, dim):
    g = torch.Generator().manual_seed(0)
    return torch.randn(n, dim, generator=g) * 0.2


class Dialect(nn.Module):
    def __init__(self, vectors, regions):
        super().__init__()
        self.words = nn.Embedding.from_pretrained(vectors)
        self.mix = nn.Conv1d(vectors.shape[1], 10, 3)
        self.region = nn.Linear(10, regions)

    def forward(self, ids):
        h = torch.relu(self.mix(self.words(ids).transpose(1, 2)))
        return self.region(h.amax(-1))


torch.manual_seed(13)
vectors = load_vectors(80, 6)
net = Dialect(vectors.clone(), 4)
slow, fast = [], []
for name, p in net.named_parameters():
    (slow if name.startswith("words") else fast).append(p)
opt = torch.optim.Adam([{"params": slow, "lr": 1e-3}, {"params": fast, "lr": 1e-2}])
for epoch in range(4):
    ids = torch.randint(0, 80, (32, 9))
    where = (ids.float().mean(1) // 20).long().clamp(max=3)
    loss = nn.functional.cross_entropy(net(ids), where)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(epoch, loss.item())
