import torch
from torch import nn
import torch.nn.functional as F

WEIGHTS = {"edges": 1.0, "labels": 0.5, "normals": 0.2}


class Scene(nn.Module):
    def __init__(self, c=6):
        super().__init__()
        self.body = nn.Conv2d(3, c, 3, padding=1)
        self.edges = nn.Conv2d(c, 1, 1)
        self.labels = nn.Conv2d(c, 4, 1)
        self.normals = nn.Conv2d(c, 3, 1)
        self.depth = nn.Conv2d(c, 1, 1)

    def forward(self, image):
        h = F.relu(self.body(image))
        return {name: getattr(self, name)(h) for name in ("edges", "labels", "normals", "depth")}


def task_losses(out, gt):
    return {
        "edges": F.binary_cross_entropy_with_logits(out["edges"], gt["edges"]),
        "labels": F.cross_entropy(out["labels"], gt["labels"]),
        "normals": 1 - F.cosine_similarity(out["normals"], gt["normals"], dim=1).mean(),
        "depth": F.l1_loss(out["depth"], gt["depth"]),
    }


torch.manual_seed(0)
net = Scene()
opt = torch.optim.AdamW(net.parameters(), lr=1e-3)
image = torch.rand(4, 3, 6, 6)
gt = {
    "edges": torch.rand(4, 1, 6, 6).round(),
    "labels": torch.randint(0, 4, (4, 6, 6)),
    "normals": torch.randn(4, 3, 6, 6),
    "depth": torch.rand(4, 1, 6, 6) * 9,
}
for step in range(3):
    parts = task_losses(net(image), gt)
    total = sum(w * parts[k] for k, w in WEIGHTS.items())
    opt.zero_grad()
    total.backward()
    opt.step()
    print(step, " ".join(f"{k}={v.item():.3f}" for k, v in parts.items()))
