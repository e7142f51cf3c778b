"""Progress bars: tqdm where it is there, rich's on a pipe, and one of carriage returns."""

import sys

import torch
from _digest import report, seed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from torch import nn

seed(45)
model = nn.Sequential(nn.Linear(3, 4), nn.Mish(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def step():
    loss = model(torch.randn(5, 3)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def bar(steps):
    for each in steps:
        sys.stderr.write(f"\rstep {each + 1}/{len(steps)}")
        sys.stderr.flush()
        yield each
    sys.stderr.write("\n")


try:
    from tqdm import tqdm
except ImportError:
    bars = bar(range(4))
else:
    style = {"bar_format": "{desc}|{bar:10}| {n_fmt}/{total_fmt}", "mininterval": 0}
    bars = tqdm(range(4), **style)
for _ in bars:
    loss = step()
    if hasattr(bars, "set_description"):
        bars.set_description(f"loss {loss:.6f}")
        bars.write(f"wrote {loss:.6f}", file=sys.stdout)

columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
console = Console(file=sys.stderr, width=60)
with Progress(*columns, console=console, auto_refresh=False) as progress:
    task = progress.add_task("epochs", total=3)
    for _ in range(3):
        progress.update(task, description=f"loss {step():.6f}")
        progress.advance(task)
        print("from the inside")
with console.status("working"):
    step()
report(model=model, optimizer=optimizer)
