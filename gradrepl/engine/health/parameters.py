"""Which parameters are watched, by which names: those in scope, and those that optimizers have.

Looking up names costs more than a look at small gradients: it is done at first, when a parameter
has gone, and now and then. What was found stays watched while it lives.
"""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.boundary import Part
from gradrepl.engine.code import frames
from gradrepl.engine.code.values import is_a
from gradrepl.engine.health import measure
from gradrepl.engine.health.tracked import Tracked
from gradrepl.engine.modules.reach import of_optimizer
from gradrepl.engine.tensor import facts

LIMIT = 20_000
"""Parameters watched at most."""
RARELY = 200.0
"""A search for names may begin after so many times what the last one took."""
COPIES = 16 * 1024 * 1024
"""Elements of weights that are copied at most, all parameters together."""
ROWS = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.RNNBase)
"""Layers whose weights have a row for each unit."""


class Parameters:
    """The parameters that are watched."""

    def __init__(self, names: Callable[[FrameType | None], Any]) -> None:
        """``names``: the names in scope at a frame, as ``Session.names`` has them."""
        self._names = names
        self.part = Part("noting in which order gradients arrive", self.stop_order)
        self._forget()

    def clear(self) -> None:
        """Forget everything."""
        self.stop_order()
        self._forget()

    def _forget(self) -> None:
        self.known: dict[int, Tracked] = {}
        """By id, while their tensors live."""
        self.more = False
        self.models = 0
        """Models that were in scope at the last search."""
        self._searched = self._took = 0.0
        self._optimizers: weakref.WeakSet[torch.optim.Optimizer] = weakref.WeakSet()
        self._last: weakref.ref[torch.optim.Optimizer] | None = None
        self._order: list[int] | None = None
        self._handles: list[Any] = []
        self.steps_some_of: set[str] = set()
        """Models of which an optimizer steps parameters."""
        self._asked: dict[int, weakref.ref[Any]] = {}
        self.copied = 0
        self.missing = False
        """Has any of them no gradient?"""
        self.ask_rates = True
        """Learning rates are to be read at the next step."""

    # -- who there is --------------------------------------------------------------------------

    def due(self) -> bool:
        """Must names be looked up before this backward?"""
        return not self.known or time.perf_counter() - self._searched > RARELY * self._took

    def search(self, frame: FrameType | None) -> None:
        """Find the parameters in scope at ``frame``, beside those that are known."""
        start = time.perf_counter()
        with torch_private.DisableTorchFunction():
            try:
                self._search(frame)
            finally:
                frames.release(frames.user_frames(frame))
        self._searched = time.perf_counter()
        self._took = self._searched - start

    def _search(self, frame: FrameType | None) -> None:
        names = self._names(frame)
        self.known = {key: each for key, each in self.known.items() if each.ref() is not None}
        self.models = sum(next(root.parameters(), None) is not None for _, root in names.roots)
        aliases: dict[int, list[str]] = {}
        for prefix, root in names.roots:
            for path, parameter in _leaves_of(root):
                aliases.setdefault(id(parameter), []).append(prefix + path)
                self._add(parameter, prefix + path, prefix.removesuffix("."))
            self._mark(root)
        tensor: torch.Tensor
        for name, tensor in names.variables():
            if tensor.requires_grad and facts.is_leaf(tensor):
                self._add(tensor, name, name)
        for optimizer in list(self._optimizers):
            for name, each in of_optimizer(optimizer):
                self._add(each, name, type(optimizer).__name__)
        for key in aliases.keys() & self.known.keys():
            self.known[key].rename(aliases[key])

    def _add(self, parameter: torch.Tensor, name: str, model: str) -> None:
        held = self.known.get(id(parameter))
        if held is not None and held.ref() is parameter:
            if "[" in held.name and "[" not in name:  # an optimizer's place was all it had
                held.name, held.model = name, model
            return
        if torch.nn.parameter.is_lazy(parameter):
            return  # it has no shape yet
        if not (parameter.is_floating_point() or parameter.is_complex()):
            return
        if len(self.known) >= LIMIT:
            self.more = True
            return
        self.known[id(parameter)] = Tracked.of(name, parameter, model)

    def _mark(self, root: torch.nn.Module) -> None:
        """Note whose weight has a row for each unit, and which weight a bias goes with."""
        for module in root.modules():
            rows, own = isinstance(module, ROWS), module._parameters
            for name, parameter in own.items():
                each = self.known.get(id(parameter))
                if each is not None:
                    each.rows = rows
                    if "bias" in name:
                        each.weight_of = self.known.get(id(own.get(name.replace("bias", "weight"))))

    def alive(self) -> Iterator[tuple[Tracked, torch.Tensor]]:
        """Yield each with its tensor; if one has gone, a search is due."""
        for each in self.known.values():
            parameter = each.ref()
            if parameter is None:
                self._searched = 0.0 if self._took < 0.001 else self._searched
            else:
                yield each, parameter

    def named(self, name: str) -> Tracked | None:
        """Return what is known of the parameter that is called so."""
        return next((each for each in self.known.values() if each.name == name), None)

    # -- what optimizers tell ------------------------------------------------------------------

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """An optimizer is about to step: see whom it has, and who got no gradient for it."""
        last = self._last() if self._last is not None else None
        if optimizer is last and not self.missing and not self.ask_rates:
            return
        self._last = weakref.ref(optimizer)
        if optimizer not in self._optimizers:
            self._optimizers.add(optimizer)
            if any(id(parameter) not in self.known for _, parameter in of_optimizer(optimizer)):
                self._searched = 0.0
        self.ask_rates = False
        for group in optimizer.param_groups:
            self._read_group(group, type(optimizer).__name__, steps=True)

    def _read_group(self, group: dict[str, Any], optimizer: str, steps: bool = False) -> None:
        lr = _rate(group)
        for parameter in group["params"]:
            each = self.known.get(id(parameter))
            if each is not None:
                each.optimizer, each.lr = optimizer, lr
                if steps:
                    self.steps_some_of.add(each.model)
                if steps and not each.has_grad and each.requires_grad and parameter.grad is None:
                    each.overlooked += 1

    def find_optimizers(self) -> None:
        """See whom any optimizer has that is alive, though it may not have stepped so far."""
        for optimizer in gc.get_objects():
            if is_a(optimizer, torch.optim.Optimizer):
                for group in getattr(optimizer, "param_groups", ()):
                    self._read_group(group, type(optimizer).__name__)

    def rates(self) -> tuple[str, ...]:
        """Return 'AdamW lr 0.0003' of each optimizer that has stepped, at most 8."""
        texts: list[str] = []
        for optimizer in list(self._optimizers)[:8]:
            rates = [_rate(group) for group in list(optimizer.param_groups)]
            known = dict.fromkeys(f"{rate:g}" for rate in rates if rate is not None)
            lr = f" lr {', '.join(list(known)[:4])}" if known else ""
            texts.append(type(optimizer).__name__ + lr)
        return tuple(sorted(texts))

    def note(self, inputs: Iterable[Any]) -> None:
        """Remember of whom ``autograd.grad`` was asked for the gradient: it need not have one."""
        for each in inputs:
            if isinstance(each, torch.Tensor) and len(self._asked) < LIMIT:
                self._asked[id(each)] = weakref.ref(each)

    def asked(self, tensor: torch.Tensor) -> bool:
        """Was ``autograd.grad`` asked for its gradient?"""
        held = self._asked.get(id(tensor))
        return held is not None and held() is tensor

    # -- in which order gradients arrive -------------------------------------------------------

    def start_order(self) -> None:
        """Have the next backward tell in which order parameters get their gradients."""
        order: list[int] = []
        self._order = order
        for each, parameter in self.alive():
            if parameter.requires_grad and parameter.is_leaf and each.depth is None:
                key = id(parameter)

                def arrived(_: torch.Tensor, key: int = key) -> None:
                    with self.part:
                        order.append(key)

                hook = parameter.register_post_accumulate_grad_hook(arrived)  # type: ignore[no-untyped-call]
                self._handles.append(hook)

    def stop_order(self) -> None:
        """Note the order, and take the hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        order, self._order = self._order, None
        if order is None:
            return
        for depth, key in enumerate(dict.fromkeys(order)):
            if key in self.known:
                self.known[key].depth = depth

    # -- samples of weights --------------------------------------------------------------------

    def copy(self, each: Tracked, parameter: torch.Tensor, steps: int) -> None:
        """Keep some of a weight, to see what the next step changes; while there is room."""
        if self.copied < COPIES and parameter.requires_grad:
            each.copy = measure.copy(parameter, steps)
            if each.copy is not None:
                self.copied += each.copy.values.numel()

    def drop(self, each: Tracked) -> None:
        """Let go of what was kept of a weight."""
        if each.copy is not None:
            self.copied -= each.copy.values.numel()
            each.copy = None


def _leaves_of(root: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the parameters of a model; a fast weight may stand in the place of one."""
    named = root.named_parameters(remove_duplicate=False)
    return ((path, parameter) for path, parameter in named if facts.is_leaf(parameter))


def _rate(group: dict[str, Any]) -> float | None:
    """Return the learning rate; None where there is none, or an accelerator has it."""
    rate = group.get("lr")
    if isinstance(rate, torch.Tensor) and not rate.is_cpu:
        return None
    return float(rate) if isinstance(rate, (int, float, torch.Tensor)) else None
