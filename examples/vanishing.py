"""Gradients that vanish: a sigmoid passes on a quarter at best, and twelve of them next to nothing.

Try:
    b node Sigmoid*               then c, c, c: watch the gradient's norm shrink from stop to stop
    p grad_in[0].norm()           at such a stop: the gradient that arrives from the loss's side
    until leaf layers.0.weight    in the backward: what is left for the first layer?
    :t loss                       the loss itself looks harmless
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn


class DeepSigmoid(nn.Module):
    def __init__(self, inputs, width, depth, classes):
        super().__init__()
        widths = [inputs] + [width] * depth
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        for layer in self.layers:
            x = torch.sigmoid(layer(x))
        return self.head(x)


torch.manual_seed(0)
model = DeepSigmoid(inputs=8, width=32, depth=12, classes=2)
images = torch.randn(64, 8)
labels = (images.sum(dim=1) > 0).long()

loss = F.cross_entropy(model(images), labels)
loss.backward()

print(f"loss {loss.item():.4f}")
for index, layer in enumerate(model.layers):
    norm = layer.weight.grad.norm()
    bar = "#" * int(36 + 3 * norm.log10())  # three marks a power of ten
    print(f"layers.{index:<2}  |grad| {norm:.1e}  {bar}")
