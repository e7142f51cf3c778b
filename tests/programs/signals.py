"""Signals in the middle of training: USR1 saves, ALRM ticks, TERM ends the loop, INT is caught."""

import io
import os
import signal

import torch
from _digest import report, seed
from torch import nn

seed(40)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
saved, ticks, stop = [], [], False


def save(number, frame):
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    saved.append(torch.load(buffer)["weight"].sum())


def tick(number, frame):
    ticks.append(torch.ones(2).sum().item())


def terminate(number, frame):
    global stop
    stop = True


def interrupted(number, frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


signal.signal(signal.SIGUSR1, save)
signal.signal(signal.SIGALRM, tick)
signal.signal(signal.SIGTERM, terminate)
before = signal.signal(signal.SIGINT, interrupted)
signal.setitimer(signal.ITIMER_REAL, 0.005)
while not ticks:
    torch.randn(1, generator=torch.Generator())
for step in range(100):
    loss = model(torch.randn(3, 4)).square().sum()
    if step == 1:
        os.kill(os.getpid(), signal.SIGUSR1)
    optimizer.zero_grad()
    loss.backward()
    if step == 2:
        signal.raise_signal(signal.SIGTERM)
    optimizer.step()
    print(f"step {step} loss {loss.item():.8f}")
    if stop:
        break

try:
    hook = model.weight.register_hook(lambda gradient: signal.raise_signal(signal.SIGINT))
    model(torch.randn(3, 4)).sum().backward()
except KeyboardInterrupt as error:
    print("interrupted by", error)
finally:
    hook.remove()
model(torch.randn(3, 4)).sum().backward()
print("ticks", ticks, "saved", len(saved), signal.getsignal(signal.SIGTERM) is terminate)
report(model=model, optimizer=optimizer, saved=saved)
