"""Ends by SIGTERM in the middle of a step: no traceback, no cleaning up, the signal as status."""

import atexit
import os
import signal

import torch
from _digest import report, seed

seed(41)
atexit.register(print, "atexit does not run")
weight = torch.randn(3, requires_grad=True)
for step in range(3):
    loss = weight.square().sum()
    loss.backward()
    print(f"step {step} loss {loss.item():.8f}", flush=True)
    with torch.no_grad():
        weight -= 0.1 * weight.grad
report(weight=weight)
os.kill(os.getpid(), signal.SIGTERM)
weight.sum().backward()
