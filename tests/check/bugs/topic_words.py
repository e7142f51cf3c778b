import torch
from torch import nn


class TopicModel(nn.Module):
    def __init__(self, vocab, topics, sharp=60.0):
        super().__init__()
        self.infer = nn.Linear(vocab, topics)
        self.words = nn.Linear(topics, vocab)
        self.sharp = sharp

    def forward(self, counts):
        theta = torch.softmax(self.sharp * self.infer(counts), dim=-1)
        return theta, self.words(theta)


def entropy(p):
    return -(p * torch.log(p)).sum(dim=-1).mean()


torch.manual_seed(3)
vocab = 25
tm = TopicModel(vocab, 6)
opt = torch.optim.Adam(tm.parameters(), lr=5e-3)
docs = torch.poisson(torch.rand(32, vocab) * 6)
for it in range(4):
    theta, logits = tm(docs)
    nll = -(docs * logits.log_softmax(-1)).sum(-1).mean()
    h = entropy(theta)
    loss = nll - 0.1 * h
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"it {it} nll {nll.item():.3f} entropy {h.item():.3f}")
