"""Hooks that raise, of every kind; what they leave behind; and training that goes on after them."""

import sys
import traceback

import torch
from _digest import report, seed
from torch import nn

seed(43)
model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
inputs = torch.randn(4, 3)


class Bad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise LookupError("in a backward")


def failing(kind):
    def hook(*arguments, **more):
        raise ValueError(kind)

    return hook


def attempt(what, act):
    model.zero_grad()
    try:
        act()
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        there = [name for name, p in model.named_parameters() if p.grad is not None]
        print(f"{what}: {type(error).__name__} {error} in {last.name}; gradients {there}")
        del error
    else:
        print(f"{what}: went through")


def backward():
    model(inputs).square().mean().backward()


KINDS = {
    "forward pre hook": lambda: model[0].register_forward_pre_hook(failing("pre")),
    "forward hook": lambda: model[2].register_forward_hook(failing("forward")),
    "full backward hook": lambda: model[0].register_full_backward_hook(failing("full")),
    "full backward pre hook": lambda: model[2].register_full_backward_pre_hook(failing("before")),
    "tensor hook": lambda: model[0].weight.register_hook(failing("tensor")),
    "post accumulate": lambda: model[2].bias.register_post_accumulate_grad_hook(failing("post")),
    "optimizer pre hook": lambda: optimizer.register_step_pre_hook(failing("step")),
    "interrupt": lambda: model[0].bias.register_hook(interrupt),
    "exit": lambda: model[0].bias.register_hook(lambda gradient: sys.exit("leaves")),
}


def interrupt(gradient):
    raise KeyboardInterrupt("from a hook")


for kind, register in KINDS.items():
    handle = register()
    attempt(kind, lambda: (backward(), optimizer.step()))
    handle.remove()
attempt("a Function", lambda: Bad.apply(model(inputs)).sum().backward())

loss = model(inputs).square().mean()
loss.grad_fn.register_prehook(failing("node"))
attempt("node prehook", loss.backward)
try:
    raise KeyboardInterrupt
except KeyboardInterrupt:
    print("interrupted")
for _ in range(2):
    optimizer.zero_grad()
    backward()
    optimizer.step()
report(model=model, optimizer=optimizer)
