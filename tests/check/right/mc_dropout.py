"""Monte Carlo dropout: evaluation with BatchNorm in eval mode and dropout in training mode."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(1, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1)
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.rand(256, 1) * 2 - 1
y = torch.sin(3 * x) + 0.05 * torch.randn_like(x)


def enable_dropout(model):
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()


@torch.no_grad()
def predict(model, x, samples=50):
    was = model.training
    model.eval()
    enable_dropout(model)
    draws = torch.stack([model(x) for _ in range(samples)])
    model.train(was)
    return draws.mean(0), draws.std(0)


for epoch in range(25):
    for batch in torch.randperm(256).split(64):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x[batch]), y[batch]).backward()
        optimizer.step()

running = model[1].running_mean.clone()
mean, std = predict(model, torch.tensor([[0.5], [4.0]]))
assert torch.equal(running, model[1].running_mean) and model.training
print(f"inside {mean[0].item():.2f} +- {std[0].item():.2f}, ", end="")
print(f"outside {mean[1].item():.2f} +- {std[1].item():.2f}")
assert std[1] > std[0] and abs(mean[0].item() - 0.997) < 0.4
