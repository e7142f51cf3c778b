"""Training that is watched for half an hour: memory stays flat, hooks do not pile up.

``soak.py [--minutes M]``. Not a test: it prints a line a minute, and exits with 1 where something
grew. What is trained changes all the time: a plain loop, a graph that is kept for several
backwards, two models in turn, a model that is thrown away; watching goes on and off in between.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import inside
import torch
import torch.nn.functional as F
from table import machine
from torch import nn
from torch.optim import optimizer as optimizers

from gradrepl import model
from gradrepl.engine.health.wanted import Gradients
from gradrepl.engine.session import Session

GROWTH = 8.0
"""Mebibytes that the process may grow after the first quarter."""
SLOWER = 2.0
"""Times that a step of the last quarter may take of the fastest quarter's."""


def resident() -> float:
    """Return mebibytes in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def network() -> nn.Sequential:
    """Return a small network."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(),
                         nn.Linear(128, 10))  # fmt: skip


class Programs:
    """What is trained: each call of one does a few steps."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.net, self.other = network(), network()
        self.adam = torch.optim.AdamW(self.net.parameters(), lr=1e-4)
        self.sgd = torch.optim.SGD(self.other.parameters(), lr=1e-4)
        self.scaler = torch.amp.GradScaler("cpu")
        data = torch.utils.data.TensorDataset(torch.randn(256, 64), torch.randint(10, (256,)))
        self.loader = torch.utils.data.DataLoader(data, batch_size=32)
        self.kept = torch.ones(64, requires_grad=True)
        self.graph = (self.kept.exp() * 2).sum()
        """A graph that is never freed."""

    def plain(self) -> None:
        """One epoch, with a GradScaler."""
        for inputs, labels in self.loader:
            self.adam.zero_grad()
            self.scaler.scale(F.cross_entropy(self.net(inputs), labels)).backward()
            self.scaler.step(self.adam)
            self.scaler.update()

    def retained(self) -> None:
        """Backwards through a graph that lives for ever, and through one that lives for three."""
        loss = self.other(torch.randn(8, 64)).square().mean()
        for _ in range(3):
            loss.backward(retain_graph=True)
            self.graph.backward(retain_graph=True)
            self.kept.grad = None
        self.sgd.step()
        self.sgd.zero_grad()

    def thrown_away(self) -> None:
        """A model that lives for two steps, and gradients of gradients."""
        net = network()
        sgd = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(2):
            inputs = torch.randn(8, 64, requires_grad=True)
            (slope,) = torch.autograd.grad(net(inputs).sum(), inputs, create_graph=True)
            slope.square().sum().backward()
            sgd.step()

    def failing(self) -> None:
        """A backward that raises."""
        x = torch.ones(3, requires_grad=True)
        y = x.exp()
        z = (y * 2).sum()
        with torch.no_grad():
            y.add_(1)
        try:
            z.backward()
        except RuntimeError:
            return
        raise AssertionError("it should have been refused")


def hooks(programs: Programs) -> dict[str, int]:
    """Count everything of ours that could pile up."""
    parameters = [*programs.net.parameters(), *programs.other.parameters(), programs.kept]
    return {
        "hooks on parameters": sum(
            len(p._backward_hooks or ()) + len(p._post_accumulate_grad_hooks or ())  # type: ignore[arg-type]
            for p in parameters
        ),
        "hooks of optimizers": len(optimizers._global_optimizer_pre_hooks)
        + len(optimizers._global_optimizer_post_hooks),
        "modes": torch._C._len_torch_function_stack(),
    }


def modes_of_watching(engine: Session) -> Iterator[None]:
    """Yield for ever, watching something else each time."""
    gradients = engine.state(Gradients)
    while True:
        for what in (
            model.Watching(grads=True), model.Watching(grads=True, nodes=True),
            model.Watching(grads=True, nodes=True, statistics=True),
            model.Watching(grads=True, every=7), model.Watching(),
        ):  # fmt: skip
            gradients.asked = what
            engine.stepper.rearm()
            yield


def main(minutes: float) -> int:
    """Train for so long; return 1 where something grew."""
    torch.set_num_threads(1)
    engine, programs = inside.session(), Programs()
    works: list[Callable[[], None]] = [
        programs.plain, programs.retained, programs.thrown_away, programs.failing,
    ]  # fmt: skip
    print(f"{machine()}; {minutes:g} minutes", flush=True)
    begin = time.monotonic()
    end, quarter = begin + 60 * minutes, 15 * minutes
    marks: list[tuple[float, float, int]] = []
    rounds, step, told = 0, 0.0, begin
    for _ in modes_of_watching(engine):
        start = time.thread_time()
        for _ in range(20):
            for work in works:
                work()
        step += time.thread_time() - start
        rounds += 1
        now = time.monotonic()
        if rounds % 5 == 0 and now - begin >= quarter * (len(marks) + 1):
            gc.collect()
            marks.append((resident(), step, rounds))
            step, rounds = 0.0, 0
        if now - told >= 60:
            told = now
            print(f"{now - begin:6.0f} s  {resident():7.1f} MiB  {hooks(programs)}", flush=True)
        if now > end and rounds % 5 == 0 and len(marks) >= 4:
            break
    return verdict(marks, hooks(programs))


def verdict(marks: list[tuple[float, float, int]], left: dict[str, int]) -> int:
    """Print what came of it."""
    sizes = [size for size, _, _ in marks]
    paces = [1000 * seconds / rounds for _, seconds, rounds in marks]
    print("at the end of each quarter:", ", ".join(f"{size:.1f} MiB" for size in sizes))
    print("CPU time of a round:", ", ".join(f"{pace:.1f} ms" for pace in paces))
    print("left, with watching off:", left)
    grew = max(sizes) - sizes[0] > GROWTH
    slower = paces[-1] > SLOWER * min(paces)
    print("memory", "GREW" if grew else "is flat;", "a round is", "SLOWER" if slower else "as fast")
    return int(grew or slower or any(left.values()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    sys.exit(main(parser.parse_args().minutes))
