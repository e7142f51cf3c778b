import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self, vocab=60, dim=12, tags=5):
        super().__init__()
        self.enc_table = nn.Embedding(vocab, dim)
        self.enc = nn.LSTM(dim, dim, batch_first=True)
        self.enc_out = nn.Linear(dim, dim)
        self.tag = nn.Linear(dim, tags)

    def forward(self, words):
        h, _ = self.enc(self.enc_table(words))
        return self.tag(torch.tanh(self.enc_out(h)))


def freeze(module, prefixes):
    count = 0
    for name, p in module.named_parameters():
        if any(name.startswith(x) for x in prefixes):
            p.requires_grad = False
            count += p.numel()
    return count


def build(seed):
    torch.manual_seed(seed)
    model = Tagger()
    print("frozen:", freeze(model, ["enc"]))
    return model


def fit(model, words, tags, steps):
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    for s in range(steps):
        logits = model(words)
        loss = nn.functional.cross_entropy(logits.transpose(1, 2), tags)
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(s, loss.item())


model = build(2)
words = torch.randint(0, 60, (7, 6))
fit(model, words, words % 5, 4)
