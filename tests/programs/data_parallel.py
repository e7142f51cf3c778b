"""nn.DataParallel without a GPU: it falls through to the module, with its prefixed names."""

import torch
from _digest import report, seed
from torch import nn

seed(39)
model = nn.DataParallel(nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.1), nn.Linear(6, 1)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(4):
    inputs = torch.randn(6, 4)
    loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.8f}")
print(list(model.state_dict()), model.device_ids)
report(model=model, optimizer=optimizer)
