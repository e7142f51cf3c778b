"""Stochastic weight averaging with torch.optim.swa_utils."""

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(384, 5) + 1
y = (x[:, 0] * x[:, 1] > 1).long()
loader = DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True)
model = nn.Sequential(nn.Linear(5, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
swa_model = AveragedModel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = CosineAnnealingLR(optimizer, T_max=10)
swa_scheduler = SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)
SWA_START, EPOCHS = 8, 16

for epoch in range(EPOCHS):
    model.train()
    for inputs, labels in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    if epoch >= SWA_START:
        swa_model.update_parameters(model)
        swa_scheduler.step()
    else:
        scheduler.step()

update_bn(loader, swa_model)


@torch.no_grad()
def accuracy(net):
    net.eval()
    return (net(x).argmax(1) == y).float().mean().item()


print(f"last {accuracy(model):.3f}, averaged {accuracy(swa_model):.3f}")
assert swa_model.n_averaged == EPOCHS - SWA_START and accuracy(swa_model) > 0.9
