"""An auxiliary head that joins the loss after the warm-up of the trunk."""

import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU())
        self.regress = nn.Linear(24, 1)
        self.classify = nn.Linear(24, 2)

    def forward(self, x):
        h = self.encoder(x)
        return self.regress(h), self.classify(h)


AUXILIARY_FROM = 6
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(256, 3)
y = x.norm(dim=1, keepdim=True)
c = (y.squeeze(1) > 1.5).long()

for epoch in range(16):
    for batch in torch.randperm(256).split(32):
        value, logits = model(x[batch])
        loss = nn.functional.l1_loss(value, y[batch])
        if epoch >= AUXILIARY_FROM:
            loss = loss + 0.5 * nn.functional.cross_entropy(logits, c[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(x)[1].argmax(1) == c).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f} accuracy {accuracy:.2f}")

assert accuracy > 0.75
