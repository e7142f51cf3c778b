"""A script is the main program: signals, asyncio, fork, subprocesses and pickles of __main__."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import torch
from _digest import report, seed


@dataclass
class Settings:
    rate: float
    steps: int


def on_signal(number, frame):
    print("handled", signal.Signals(number).name, "in", frame.f_code.co_name)


async def train(settings):
    weight = torch.ones(3, requires_grad=True)
    for _ in range(settings.steps):
        loss = (weight - torch.arange(3.0)).square().sum()
        loss.backward()
        with torch.no_grad():
            weight -= settings.rate * weight.grad
        weight.grad.zero_()
        await asyncio.sleep(0)
    return weight


def main():
    seed(22)
    print(__name__, Path(__file__).name, Path(sys.argv[0]).name, sys.argv[1:])
    print("main thread", threading.current_thread() is threading.main_thread())

    settings = pickle.loads(pickle.dumps(Settings(rate=0.1, steps=5)))
    print(settings, Settings.__module__)

    signal.signal(signal.SIGUSR1, on_signal)
    signal.raise_signal(signal.SIGUSR1)

    weight = asyncio.run(train(settings))
    print("weight", [round(value, 6) for value in weight.tolist()])

    child = os.fork()
    if child == 0:
        weight.sum().backward()
        os._exit(int(weight.grad.sum().item()))
    print("child's gradient summed to", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    command = [sys.executable, "-c", "import sys; print('gradrepl' in sys.modules)"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    print("subprocess says", answer.stdout.strip())

    report(weight=weight)


if __name__ == "__main__":
    main()
