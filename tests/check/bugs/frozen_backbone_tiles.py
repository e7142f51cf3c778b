import torch
from torch import nn

torch.manual_seed(0)


def make_backbone():
    conv = nn.Conv2d(3, 6, 3, padding=1)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())


@torch.inference_mode()
def extract(backbone, tiles):
    backbone.eval()
    return torch.cat([backbone(t.unsqueeze(0)) for t in tiles])


class Probe(nn.Module):
    def __init__(self, width, kinds):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, kinds)

    def forward(self, feats):
        return self.out(self.norm(feats))


backbone = make_backbone()
tiles = torch.rand(18, 3, 8, 8)
land_use = torch.randint(0, 5, (18,))
features = extract(backbone, tiles)

probe = Probe(features.shape[1], 5)
opt = torch.optim.AdamW(probe.parameters(), lr=1e-3)
for step in range(3):
    pick = slice(step * 6, step * 6 + 6)
    logits = probe(features[pick])
    loss = nn.functional.cross_entropy(logits, land_use[pick])
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item())
