"""Names in scope whose objects run code, or raise, at whatever is asked of them."""

import weakref

import torch
from _digest import report, seed
from torch import nn

seed(64)
asked = []


class Raising:
    """Every look at it is noted, and raises."""

    def __getattribute__(self, name):
        asked.append(name)
        raise RuntimeError(name)

    def __repr__(self):
        asked.append("repr")
        raise SystemExit(9)

    def __bool__(self):
        asked.append("bool")
        raise KeyboardInterrupt

    def __len__(self):
        asked.append("len")
        raise MemoryError

    def __eq__(self, other):
        asked.append("eq")
        raise RecursionError

    def __hash__(self):
        asked.append("hash")
        raise RuntimeError("hash")

    def __iter__(self):
        asked.append("iter")
        raise GeneratorExit


class Classless:
    @property
    def __class__(self):
        asked.append("__class__")
        raise RuntimeError("class")

    @property
    def __dict__(self):
        asked.append("__dict__")
        raise SystemExit(8)


class Lying(dict):
    """A dict whose methods are the program's own business."""

    def items(self):
        asked.append("items")
        raise OSError

    values = keys = __iter__ = __len__ = __getitem__ = __contains__ = items


class Meta(type):
    def __instancecheck__(cls, other):
        asked.append("instancecheck")
        raise RuntimeError

    def __subclasscheck__(cls, other):
        asked.append("subclasscheck")
        raise RuntimeError

    def __getattribute__(cls, name):
        asked.append(f"class {name}")
        return super().__getattribute__(name)


class OfMeta(metaclass=Meta):
    pass


class Plain:
    def __init__(self):
        self.inside = raising


class Short:
    pass


raising, classless, lying, of_meta = Raising(), Classless(), Lying(a=1), OfMeta()
short = Short()
proxy, dead = weakref.proxy(of_meta), weakref.proxy(short)
del short
plain = Plain()
asked.clear()


def step(x, hidden=raising, other=classless):
    local = dead
    h = model(x)
    loss = h.square().mean()
    del local
    return loss


model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for _ in range(2):
    loss = step(torch.randn(5, 3))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print("asked", sorted(set(asked)))
report(model=model, optimizer=optimizer)
