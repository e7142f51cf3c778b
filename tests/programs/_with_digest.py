"""Runs the script named by its argument as ``__main__``, then digests what that left behind."""

import runpy
import sys

import torch
from _digest import report, seed

KINDS = (torch.Tensor, torch.nn.Module, torch.optim.Optimizer)

seed(0)
sys.argv = sys.argv[1:]
left = runpy.run_path(sys.argv[0], run_name="__main__")
report(**{name: value for name, value in left.items() if isinstance(value, KINDS)})
