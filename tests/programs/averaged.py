"""Copies that follow a model: EMA and SWA by torch's utilities, one by hand, a frozen teacher."""

import copy

import torch
from _digest import report, seed
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn

seed(35)
model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
teacher = copy.deepcopy(model).requires_grad_(False).eval()
ema = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
swa = AveragedModel(model)
shadow = {name: value.detach().clone() for name, value in model.state_dict().items()}
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
swa_scheduler = SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)
batches = [torch.randn(8, 4) for _ in range(3)]

for step in range(6):
    inputs = batches[step % 3]
    with torch.no_grad():
        wanted = teacher(inputs).softmax(dim=1)
    loss = nn.functional.kl_div(model(inputs).log_softmax(dim=1), wanted, reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    ema.update_parameters(model)
    if step > 2:
        swa.update_parameters(model)
        swa_scheduler.step()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                shadow[name].mul_(0.9).add_(value, alpha=0.1)
        for old, new in zip(teacher.parameters(), model.parameters(), strict=True):
            old.lerp_(new, 0.01)
    print(f"step {step} loss {loss.item():.8f} averaged {swa.n_averaged.item()}")

update_bn(batches, swa)
apart = max((a - b).abs().max() for a, b in zip(ema.parameters(), swa.parameters(), strict=True))
print("ema and swa are apart", round(apart.item(), 6), teacher[0].weight.grad)
report(model=model, ema=ema, swa=swa, teacher=teacher, shadow=shadow, optimizer=optimizer)
