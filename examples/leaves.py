"""Who keeps a gradient: leaves do, results in between do not unless retain_grad() asks for it.

Try:
    n               up to `loss`; then p hidden.grad_fn and p weight.grad_fn
    b leaf weight   then c: stop where the gradient is about to be stored in weight.grad
    u               toward the loss: who gave me this gradient?   d goes back
    :t hidden       leaf or not, requires_grad, grad_fn, and whether its gradient is kept
"""

import torch


def describe(name: str, tensor: torch.Tensor) -> None:
    made_by = type(tensor.grad_fn).__name__ if tensor.grad_fn else "the user"
    keeps_gradient = tensor.is_leaf or tensor.retains_grad
    gradient = tensor.grad.tolist() if keeps_gradient and tensor.grad is not None else "none"
    print(
        f"{name:7} leaf={tensor.is_leaf!s:5} requires_grad={tensor.requires_grad!s:5} "
        f"made by {made_by:13} gradient {gradient}"
    )


data = torch.tensor([1.0, 2.0, 3.0])  # a leaf that wants no gradient
weight = torch.tensor([0.5, -1.0, 2.0], requires_grad=True)  # a leaf that wants one

hidden = data * weight  # a result: it has a grad_fn, and is not a leaf
active = hidden.relu()
active.retain_grad()  # a result whose gradient we ask autograd to keep
loss = active.square().sum()

loss.backward()

for name in ("data", "weight", "hidden", "active", "loss"):
    describe(name, globals()[name])
