"""From Tensor to Module: a module owns parameters and calls functions; modules nest in modules.

Try:
    n                        one module call at a time;  s goes inside it,  r runs to its end
    b mod blocks.1.fc2       then c: stop where the second block's last layer is entered
    b node Addmm*            then c: stop in the backward at every linear layer
    until leaf stem.weight   in the backward: run on to the first layer's gradient
"""

import torch
import torch.nn.functional as F
from torch import nn


class Residual(nn.Module):
    """A module made of modules; its forward calls a function (relu) and adds its own input."""

    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.fc2(F.relu(self.fc1(x)))


class Classifier(nn.Module):
    def __init__(self, inputs, width, classes):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))  # a Parameter is a Tensor that a module owns
        self.stem = nn.Linear(inputs, width)
        self.blocks = nn.Sequential(Residual(width), Residual(width))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x) * self.scale))


torch.manual_seed(0)
model = Classifier(inputs=6, width=8, classes=3)
images = torch.randn(4, 6)
labels = torch.tensor([0, 1, 2, 1])

loss = F.cross_entropy(model(images), labels)
loss.backward()

print(model)
print(f"loss {loss.item():.4f}")
for name, parameter in model.named_parameters():
    print(f"{name:20} {tuple(parameter.shape)!s:8} |grad| {parameter.grad.norm():.4f}")
