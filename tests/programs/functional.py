"""torch.func and forward mode: vmap over grad, functional_call, dual numbers, Hessian products."""

import torch
import torch.autograd.forward_ad as fwAD
from _digest import report, seed
from torch import nn
from torch.func import functional_call, grad, jacrev, jvp, vmap

seed(19)
model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}
inputs, targets = torch.randn(12, 3), torch.randn(12, 1)


def loss_of(parameters, point, target):
    return (functional_call(model, parameters, (point,)) - target).square().mean()


for step in range(4):
    gradients = grad(loss_of)(parameters, inputs, targets)
    parameters = {name: value - 0.1 * gradients[name] for name, value in parameters.items()}
    print(f"step {step} loss {loss_of(parameters, inputs, targets).item():.6f}")

per_sample = vmap(grad(loss_of), in_dims=(None, 0, 0))(parameters, inputs, targets)
jacobian = jacrev(lambda point: functional_call(model, parameters, (point,)))(inputs[0])
value, slope = jvp(torch.sin, (inputs,), (torch.ones_like(inputs),))

with fwAD.dual_level():
    dual = fwAD.make_dual(inputs, torch.ones_like(inputs))
    tangent = fwAD.unpack_dual(model(dual)).tangent.detach()

_, product = torch.autograd.functional.hvp(lambda x: x.pow(3).sum(), inputs[0], torch.ones(3))
model(inputs).mean().backward()  # and plain autograd still works after it all

report(
    model=model,
    parameters=parameters,
    per_sample=per_sample,
    forward=[jacobian, value, slope, tangent, product],
)
