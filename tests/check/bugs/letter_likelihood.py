import torch
import torch.nn as nn
import torch.nn.functional as F


class CharModel(nn.Module):
    def __init__(self, size=27, dim=10, context=3):
        super().__init__()
        self.emb = nn.Embedding(size, dim)
        hidden = [nn.Flatten(), nn.Linear(dim * context, 32), nn.ReLU()]
        self.net = nn.Sequential(*hidden, nn.Linear(32, size))

    def forward(self, ctx):
        return F.softmax(self.net(self.emb(ctx)), dim=-1)


def windows(text, context=3):
    ids = torch.tensor([0 if c == " " else ord(c) - 96 for c in text])
    w = ids.unfold(0, context + 1, 1)
    return w[:, :-1], w[:, -1]


torch.manual_seed(25)
text = "the rain in the plain stays mainly in the lane and the train came late again "
ctx, nxt = windows(text)
model = CharModel()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(4):
    loss = F.nll_loss(model(ctx), nxt)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(epoch, loss.item())
