"""Style transfer in small: Gram matrices of a random net, an image optimized by LBFGS."""

import torch
import torch.nn.functional as F
from torch import nn


def gram(h):
    b, c, height, width = h.shape
    flat = h.reshape(b, c, height * width)
    return flat @ flat.transpose(1, 2) / (c * height * width)


class Features(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, stride=2)]
        )

    def forward(self, x):
        out = []
        for layer in self.layers:
            x = F.relu(layer(x))
            out.append(x)
        return out


torch.manual_seed(0)
net = Features().eval().requires_grad_(False)
content = torch.rand(1, 3, 12, 12)
style = torch.zeros(1, 3, 12, 12)
style[:, :, ::2] = torch.tensor([0.9, 0.2, 0.4]).view(1, 3, 1, 1)
content_target = net(content)[-1].detach()
style_targets = [gram(h).detach() for h in net(style)]

image = content.clone().requires_grad_(True)
optimizer = torch.optim.LBFGS([image], max_iter=8)
trace = []


def closure():
    with torch.no_grad():
        image.clamp_(0, 1)
    optimizer.zero_grad()
    features = net(image)
    loss = 50 * F.mse_loss(features[-1], content_target)
    for h, target in zip(features, style_targets, strict=True):
        loss = loss + 1e5 * F.mse_loss(gram(h), target)
    loss.backward()
    trace.append(loss.item())
    return loss


for _ in range(3):
    optimizer.step(closure)
with torch.no_grad():
    image.clamp_(0, 1)
print(f"{trace[0]:.5f} -> {trace[-1]:.5f} in {len(trace)} evaluations")
assert trace[-1] < 0.3 * trace[0]
