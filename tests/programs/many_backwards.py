"""Many ways to ask for gradients: again, of some, from several roots, from non-scalars, in vain."""

import torch
from _digest import report, seed

seed(10)
weight = torch.randn(3, 3, requires_grad=True)
bias = torch.randn(3, requires_grad=True)
unused = torch.randn(2, requires_grad=True)
inputs = torch.randn(5, 3)
gradients = []


def forward():
    hidden = torch.tanh(inputs @ weight + bias)
    return hidden, hidden.square().mean()


hidden, loss = forward()
loss.backward(retain_graph=True)
loss.backward(retain_graph=True)  # accumulates
print("after two backwards", round(weight.grad.norm().item(), 6))
hidden.backward(torch.ones_like(hidden))  # a root that is no scalar; frees the graph
try:
    loss.backward()
except RuntimeError as error:
    print("refused:", str(error).split("(")[0])

hidden, loss = forward()
loss.backward(inputs=[bias])  # weight.grad stays as it is
hidden, loss = forward()
gradients += torch.autograd.grad([loss, hidden], [weight, bias], [None, torch.rand(5, 3)])
hidden, loss = forward()
gradients += torch.autograd.grad(loss, [hidden, weight, unused], allow_unused=True)
hidden, loss = forward()
batched = torch.eye(15).view(15, 5, 3)
gradients += torch.autograd.grad(hidden, weight, batched, is_grads_batched=True)
hidden, loss = forward()
torch.autograd.backward([loss, hidden.sum()], [torch.tensor(0.5), None])
hidden, loss = forward()
with torch.no_grad():
    (gradient,) = torch.autograd.grad(loss, bias)
gradients.append(gradient)

for attempt in (
    lambda: hidden.backward(),
    lambda: torch.autograd.grad(inputs.sum(), weight),
    lambda: torch.autograd.grad(forward()[1], unused),
):
    try:
        attempt()
    except RuntimeError as error:
        print("refused:", str(error).split(".")[0])

gradients.append(torch.autograd.functional.jacobian(lambda x: torch.tanh(x @ weight), inputs))
print("gradients", [None if gradient is None else tuple(gradient.shape) for gradient in gradients])
report(weight=weight, bias=bias, unused=unused, gradients=gradients)
