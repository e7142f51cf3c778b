"""Features of a fixed backbone are cached, the head is trained on the cache."""

import torch
from torch import nn


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(2, 64) * 2)
        self.phase = nn.Parameter(torch.rand(64) * 6.283)
        self.norm = nn.BatchNorm1d(64)

    def forward(self, x):
        return self.norm(torch.cos(x @ self.frequencies + self.phase))


@torch.inference_mode()
def extract(backbone, batches):
    backbone.eval()
    return torch.cat([backbone(b) for b in batches])


torch.manual_seed(0)
x = torch.rand(400, 2) * 2 - 1
y = ((x[:, 0] * 3).sin() > x[:, 1]).long()
backbone = Backbone()
backbone.train()
with torch.no_grad():
    for b in x.split(100):
        backbone(b)  # the statistics of BatchNorm, before anything is cached

features = extract(backbone, x.split(100))
assert features.is_inference()
features = features.clone()  # outside of inference mode: a usual tensor, which autograd may save
assert not features.is_inference()

head = nn.Sequential(nn.Dropout(0.1), nn.Linear(64, 2))
optimizer = torch.optim.AdamW(head.parameters(), lr=2e-2)
for epoch in range(15):
    head.train()
    for batch in torch.randperm(400).split(50):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(features[batch]), y[batch]).backward()
        optimizer.step()

head.eval()
with torch.no_grad():
    accuracy = (head(features).argmax(1) == y).float().mean().item()
print(f"accuracy {accuracy:.3f}")
assert accuracy > 0.9
