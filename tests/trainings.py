"""Small trainings for tests of who looks on: each returns a print of all that it leaves behind."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

Look = Callable[[list[nn.Module]], AbstractContextManager[Any]]


def digest(models: Iterable[nn.Module], optimizers: Iterable[Any], losses: list[float]) -> str:
    """Return one print of parameters, gradients, the state of optimizers and of the generators."""
    found = hashlib.sha256(repr(losses).encode())
    for model in models:
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            found.update(name.encode() + tensor.detach().numpy().tobytes())
            grad = tensor.grad
            found.update(b"none" if grad is None else grad.numpy().tobytes())
    for optimizer in optimizers:
        found.update(repr(optimizer.state_dict()).encode())
    found.update(torch.get_rng_state().numpy().tobytes() + repr(random.getstate()).encode())
    return found.hexdigest()


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 5, num_layers=2, dropout=0.2, batch_first=True)
        self.out = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.lstm(x)[0])


def lstm(look: Look) -> str:
    """AdamW with a schedule, clipping and accumulation over two batches."""
    model = Tagger()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    losses = []
    with look([model]):
        for step in range(4):
            loss = model(torch.randn(2, 4, 3)).square().mean() / 2
            loss.backward()
            losses.append(loss.item())
            if step % 2:
                nn.utils.clip_grad_norm_(model.parameters(), 0.1)
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
    return digest([model], [optimizer], losses)


class Block(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 4))
        self.drop = nn.Dropout(0.3)

    def inner(self, x: torch.Tensor) -> torch.Tensor:
        return self.drop(self.body(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = checkpoint(self.inner, x, use_reentrant=self.reentrant)
        return found + x


def checkpointed(look: Look) -> str:
    """Both kinds of checkpoint, with what is random inside."""
    model = nn.Sequential(nn.Linear(4, 4), Block(True), Block(False), nn.Linear(4, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    with look([model]):
        for _ in range(3):
            loss = model(torch.randn(5, 4)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return digest([model], [optimizer], losses)


def gan(look: Look) -> str:
    """Two models, two optimizers, and a gradient penalty."""
    maker = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    critic = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
    ours = torch.optim.Adam(maker.parameters(), lr=0.01)
    theirs = torch.optim.Adam(critic.parameters(), lr=0.01)
    losses = []
    with look([maker, critic]):
        for _ in range(3):
            fake = maker(torch.randn(6, 2))
            middle = fake.detach().requires_grad_()
            (slope,) = torch.autograd.grad(critic(middle).sum(), middle, create_graph=True)
            bad = critic(fake.detach()).mean() - critic(torch.randn(6, 2)).mean()
            loss = bad + (slope.norm(dim=1) - 1).square().mean()
            theirs.zero_grad()
            loss.backward()
            theirs.step()
            made = -critic(fake).mean()
            ours.zero_grad()
            made.backward()
            ours.step()
            losses += [loss.item(), made.item()]
    return digest([maker, critic], [ours, theirs], losses)


TRAININGS = {"lstm": lstm, "checkpointed": checkpointed, "gan": gan}


def run(name: str, look: Look) -> str:
    """Return the print of a training that begins where it always begins."""
    torch.manual_seed(7)
    random.seed(7)
    return TRAININGS[name](look)
