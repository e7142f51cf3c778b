import torch
from torch import nn
import torch.nn.functional as F


class Syllables(nn.Module):
    def __init__(self, n, dim, heads=2, layers=1):
        super().__init__()
        self.token = nn.Embedding(n, dim)
        self.place = nn.Embedding(16, dim)
        layer = nn.TransformerEncoderLayer(dim, heads, 2 * dim, batch_first=True)
        self.mixer = nn.TransformerEncoder(layer, layers)
        self.out = nn.Linear(dim, n)

    def forward(self, tokens):
        t = tokens.shape[1]
        x = self.token(tokens) + self.place(torch.arange(t))
        mask = nn.Transformer.generate_square_subsequent_mask(t)
        return self.out(self.mixer(x, mask=mask, is_causal=True))


def batch(n, b=6, t=9):
    start = torch.randint(0, n, (b, 1))
    return (start + torch.arange(t + 1) * 3) % n


torch.manual_seed(22)
model = Syllables(20, 16)
opt = torch.optim.AdamW(model.parameters(), lr=1e-3)
for step in range(3):
    tokens = batch(20)
    logits = model(tokens[:, :-1])
    target = tokens[:, 1:]
    loss = F.cross_entropy(logits, target)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item())
