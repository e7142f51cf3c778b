"""Fine-tuning with frozen BatchNorm: train() is overridden to keep the statistics."""

import torch
from torch import nn


class Finetuned(nn.Module):
    def __init__(self, backbone, classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(16, classes)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.requires_grad_(False)

    def train(self, mode=True):
        super().train(mode)
        for module in self.backbone.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()
        return self

    def forward(self, x):
        return self.head(self.backbone(x))


torch.manual_seed(0)
backbone = nn.Sequential(
    nn.Linear(4, 16),
    nn.BatchNorm1d(16),
    nn.ReLU(),
    nn.Linear(16, 16),
    nn.BatchNorm1d(16),
    nn.ReLU(),
)
# "Pretraining": the statistics of a larger data set
with torch.no_grad():
    for _ in range(30):
        backbone(torch.randn(64, 4) * 2)

model = Finetuned(backbone, 3)
statistics = [b.clone() for b in backbone.buffers()]
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
x = torch.randn(90, 4) * 2
y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
for epoch in range(25):
    model.train()
    for batch in torch.randperm(90).split(6):
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()

model.eval()
with torch.no_grad():
    accuracy = (model(x).argmax(1) == y).float().mean().item()
assert all(torch.equal(a, b) for a, b in zip(statistics, backbone.buffers(), strict=True))
print(f"accuracy {accuracy:.3f}")
assert accuracy > 0.85
