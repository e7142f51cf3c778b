"""A program that asks for gradrepl itself, and all that is then called in it."""

import os
import sys
import threading

import torch

import gradrepl
from gradrepl.engine.stopping.interrupts import NextLine
from gradrepl.guest.host import Host


def step():
    x = torch.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    return x.grad.tolist()


with gradrepl.trace() as traced:
    print(step())
again = gradrepl.trace()
again.__enter__()
print(step())
ender = threading.Thread(target=again.__exit__, args=(None, None, None))
ender.start()
ender.join()
print(step())
Host.get().session.stepper.pausing = True
NextLine(Host.get().session, "pause").set([])
print(step(), sys.gettrace())
pid = os.fork()
if not pid:
    print("child", step(), flush=True)
    os._exit(4)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
sys.exit(6)
