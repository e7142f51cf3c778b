"""Meta-learning that puts fast weights, which are no leaves, in the parameters' places."""

import torch
from _digest import report, seed
from torch import nn

seed(62)
model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
slow = {name: parameter for name, parameter in model.named_parameters()}
optimizer = torch.optim.Adam(slow.values(), 0.01)
for _step in range(3):
    inputs, wanted = torch.randn(8, 2), torch.randn(8, 1)
    inner = (model(inputs) - wanted).square().mean()
    gradients = iter(torch.autograd.grad(inner, list(slow.values()), create_graph=True))
    for module in model.modules():
        for key, parameter in list(module._parameters.items()):
            module._parameters[key] = parameter - 0.1 * next(gradients)
    outer = (model(inputs) - wanted).square().mean()
    optimizer.zero_grad()
    outer.backward()
    print("meta gradient", [round(each.grad.norm().item(), 5) for each in slow.values()])
    for name, parameter in slow.items():
        path, _, key = name.rpartition(".")
        model.get_submodule(path)._parameters[key] = parameter
    optimizer.step()

report(model=model, optimizer=optimizer)
