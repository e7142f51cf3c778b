"""Hooks: activations, a gradient cap on a tensor, masks on a parameter, statistics of a module."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
activations, norms, handles = {}, {}, []


def keep(name):
    def hook(module, inputs, output):
        activations[name] = output.detach()

    return hook


def center(module, inputs):
    (x,) = inputs
    return (x - 2.0,)


def watch(module, grad_input, grad_output):
    norms.setdefault("out", []).append(grad_output[0].norm().item())


def after_accumulation(parameter):
    norms.setdefault("weight", []).append(parameter.grad.norm().item())


handles.append(model[0].register_forward_pre_hook(center))
handles.append(model[1].register_forward_hook(keep("relu")))
handles.append(model[4].register_full_backward_hook(watch))
handles.append(model[4].weight.register_post_accumulate_grad_hook(after_accumulation))
mask = (torch.rand_like(model[2].weight) < 0.5).float()
with torch.no_grad():
    model[2].weight.mul_(mask)
handles.append(model[2].weight.register_hook(lambda grad: grad * mask))

optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
x = torch.randn(128, 4) + 2
y = (x - 2).abs().sum(1, keepdim=True)
for step in range(120):
    prediction = model(x)
    prediction.register_hook(lambda grad: grad.clamp(-0.05, 0.05))
    loss = nn.functional.mse_loss(prediction, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

for handle in handles:
    handle.remove()
alive = (activations["relu"] > 0).any(0).sum().item()
print(f"loss {loss.item():.3f}, {alive} of 32 units alive, |g| {norms['weight'][-1]:.4f}")
assert len(norms["out"]) == len(norms["weight"]) == 120
assert (model[2].weight[mask == 0] == 0).all() and loss.item() < 0.5
