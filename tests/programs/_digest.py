"""Fingerprints of everything a training program leaves behind, bit for bit.

A debugger must not change the program it looks at. So each program here ends with `report(...)`,
and its output under gradrepl is compared with its output alone.
"""

import hashlib
import random
import sys
from collections.abc import Iterator

import torch
from torch import nn


def seed(value: int) -> None:
    """Seed torch, random and numpy, all of which `report` looks at."""
    torch.manual_seed(value)
    random.seed(value)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(value)


def report(**objects: object) -> None:
    """Print one sorted line for every tensor in modules, optimizers, containers, and for the RNGs.

    Modules give parameters, buffers and every .grad; optimizers give their state; lists and dicts
    are walked; whatever else is there counts by its repr.
    """
    facts = {"rng.torch": _sha256(_raw(torch.get_rng_state()))}
    facts["rng.random"] = _sha256(repr(random.getstate()))
    if numpy := sys.modules.get("numpy"):
        state = [numpy.asarray(part).tobytes() for part in numpy.random.get_state()]
        facts["rng.numpy"] = _sha256(repr(state))
    for name, thing in objects.items():
        facts.update(_walk(name, thing))
    for name in sorted(facts):
        print(f"digest {name} {facts[name]}")


def _walk(name: str, thing: object) -> Iterator[tuple[str, str]]:
    if isinstance(thing, torch.Tensor):
        yield name, _sha256(_raw(thing))
        keeps_gradient = thing.requires_grad and (thing.is_leaf or thing.retains_grad)
        if keeps_gradient:
            yield f"{name}.grad", "None" if thing.grad is None else _sha256(_raw(thing.grad))
    elif isinstance(thing, nn.Module):
        yield from _walk(name, {**dict(thing.named_parameters()), **dict(thing.named_buffers())})
    elif isinstance(thing, torch.optim.Optimizer):
        yield from _walk(name, thing.state_dict()["state"])
    elif isinstance(thing, dict):
        for key, value in thing.items():
            yield from _walk(f"{name}.{key}", value)
    elif isinstance(thing, list | tuple):
        for index, value in enumerate(thing):
            yield from _walk(f"{name}.{index}", value)
    else:
        yield name, _sha256(repr(thing))


def _raw(tensor: torch.Tensor) -> bytes:
    """Dtype, shape and data of a tensor; of a sparse one, as it lies there, not coalesced."""
    tensor = tensor.detach()
    head = f"{tensor.layout} {tensor.dtype} {tuple(tensor.shape)} ".encode()
    if tensor.layout == torch.sparse_coo:
        return head + _raw(tensor._indices()) + _raw(tensor._values())
    plain = tensor.resolve_conj().resolve_neg().contiguous().reshape(-1)
    return head + bytes(plain.view(torch.uint8).numpy())


def _sha256(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()
