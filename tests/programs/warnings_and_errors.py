"""Warnings on stderr, and exceptions that the program catches and prints, traceback and all."""

import sys
import traceback
import warnings

import torch
from _digest import report, seed
from torch import nn

seed(15)
model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
inputs = torch.randn(5, 4)

hidden = model[0](inputs)
loss = model[2](model[1](hidden)).sum()
loss.backward()
print("gradient of a result:", hidden.grad)  # torch warns: not a leaf

try:
    model(torch.randn(5, 3))
except RuntimeError:
    print(traceback.format_exc())

try:
    loss.backward()
except RuntimeError as error:
    print("caught:", str(error).split("(")[0])
    print("raised in", traceback.extract_tb(error.__traceback__)[0].name)

try:
    nn.functional.cross_entropy(torch.randn(2, 3), torch.tensor([0, 7]))
except IndexError as error:
    print("caught:", error)

nn.functional.mse_loss(torch.zeros(4, 1), torch.zeros(4))  # torch warns: sizes differ
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    nn.functional.mse_loss(torch.zeros(4, 1), torch.zeros(4))
    warnings.warn("from the user", UserWarning, stacklevel=1)
print("recorded:", [str(warning.message).split(".")[0] for warning in caught])
print("a word on stderr", file=sys.stderr)

report(model=model)
