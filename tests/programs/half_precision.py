"""Half precision by autocast, its scaler that halves after an overflow, and its custom Function."""

import torch
from _digest import report, seed
from torch import nn
from torch.amp import custom_bwd, custom_fwd


class Scaled(torch.autograd.Function):
    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx, x):
        ctx.kind = x.dtype
        return x * 2

    @staticmethod
    @custom_bwd(device_type="cpu")
    def backward(ctx, gradient):
        kinds.add((ctx.kind, gradient.dtype, torch.is_autocast_enabled("cpu")))
        return gradient * 2


seed(34)
kinds = set()
model = nn.Sequential(nn.Linear(6, 12), nn.SiLU(), nn.Linear(12, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**14, growth_interval=2)
for step in range(6):
    inputs = torch.randn(8, 6) * (300 if step == 2 else 1)
    with torch.autocast("cpu", dtype=torch.float16):
        outputs = Scaled.apply(model(inputs))
        loss = (outputs.float() - inputs.sum(1, keepdim=True)).square().mean()
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    if step % 2:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
    print(f"step {step} loss {loss.item():.6f} {outputs.dtype} scale {scaler.get_scale():g}")

plain = nn.Linear(6, 1).bfloat16()
plain(torch.randn(3, 6, dtype=torch.bfloat16)).sum().backward()
print(sorted(map(str, kinds)))
report(model=model, optimizer=optimizer, plain=plain, scaler=scaler.state_dict())
