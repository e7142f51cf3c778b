import torch
from torch import nn
from collections import OrderedDict


class Voter(nn.Module):
    def __init__(self, n_features: int, n_dialects: int):
        super().__init__()
        self.score = nn.Sequential(OrderedDict([
            ("hidden", nn.Linear(n_features, 20)),
            ("act", nn.ReLU()),
            ("logits", nn.Linear(20, n_dialects)),
        ]))
        self.vote = nn.Softmax(dim=0)

    def forward(self, x):
        return self.vote(self.score(x))


def nll(probs, y):
    return -probs.gather(1, y.unsqueeze(1)).clamp_min(1e-8).log().mean()


torch.manual_seed(18)
model = Voter(10, 5)
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(5):
    x = torch.randn(40, 10)
    y = x[:, :5].argmax(1)
    loss = nll(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(epoch, f"{loss.item():.4f}")
