"""A hypernetwork: the weights of the main net are the output of a small one."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call


class HyperNet(nn.Module):
    def __init__(self, main, tasks, width=8):
        super().__init__()
        # Only the shapes of the main net are used: it lives on the meta device, in a plain list.
        self._main = [main.to("meta")]
        self.shapes = {name: p.shape for name, p in main.named_parameters()}
        total = sum(shape.numel() for shape in self.shapes.values())
        self.embedding = nn.Embedding(tasks, width)
        self.generate = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, total))

    def weights(self, task):
        flat = self.generate(self.embedding(task))
        parts = flat.split([shape.numel() for shape in self.shapes.values()])
        return {n: part.view(s) for (n, s), part in zip(self.shapes.items(), parts, strict=True)}

    def forward(self, x, task):
        return functional_call(self._main[0], self.weights(torch.tensor(task)), (x,))


torch.manual_seed(0)
main = nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 1))
hyper = HyperNet(main, tasks=3)
optimizer = torch.optim.Adam(hyper.parameters(), lr=5e-3)
functions = [torch.sin, torch.cos, lambda x: x / 2]
losses = []
for step in range(200):
    x = torch.rand(64, 1) * 4 - 2
    loss = sum(F.mse_loss(hyper(x, task), f(x)) for task, f in enumerate(functions)) / 3
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

print(f"{losses[0]:.3f} -> {losses[-1]:.4f}, main on {hyper._main[0][0].weight.device}")
assert losses[-1] < 0.1 * losses[0]
