"""In-place ops and views: CopySlices, rebased histories, and writes that autograd must refuse."""

import torch
from _digest import report, seed

seed(7)
weight = torch.randn(4, 6, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=0.05)


def attempt(what, action):
    """Run something that autograd refuses; print the first words of its refusal."""
    try:
        action()
    except RuntimeError as error:
        print(f"{what}: {str(error).splitlines()[0][:90]}")
    else:
        print(f"{what}: went through")


def overwrite_saved():
    exponential = weight.exp()
    exponential.add_(1)
    exponential.sum().backward()


def write_to_leaf():
    weight.mul_(2)


def write_to_split():
    first, _ = (weight * 1).split(2)
    first.zero_()


for step in range(5):
    canvas = weight.clone()
    canvas[0].mul_(2)  # a write through a view: CopySlices
    canvas[:, 1:3] = canvas[:, 3:5] * 0.5
    canvas.t()[4].clamp_(min=-1.0)
    canvas.masked_fill_(canvas > 2, 2.0)
    diagonal = canvas.diagonal()
    diagonal += torch.arange(4.0)
    flat = canvas.view(-1)[::2]
    flat.retain_grad()
    loss = flat.square().mean() + canvas.unbind()[2].sum() + canvas.expand(2, 4, 6).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step} loss {loss.item():.6f} made by {canvas.grad_fn.name()}, {canvas._version}")

attempt("saved tensor overwritten", overwrite_saved)
attempt("leaf overwritten", write_to_leaf)
attempt("split overwritten", write_to_split)
report(weight=weight, optimizer=optimizer, flat=flat, canvas=canvas)
