"""How the user knows things: ``fc1.weight``, ``encoder.0`` for a module, ``h``; whose a hook is.

Names come from the namespaces in scope: the user's frames, innermost first, then their globals.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch.nn.modules import module as torch_module

from gradrepl.engine.code import frames
from gradrepl.engine.code.values import USER_ERRORS, attributes, home, is_a
from gradrepl.model import HookInfo

HOOKS = 32
"""Hooks listed of one tensor or module."""
OF_MODULE = {
    "_forward_pre_hooks": "forward pre-hook",
    "_forward_hooks": "forward hook",
    "_backward_pre_hooks": "full backward pre-hook",
    "_backward_hooks": "backward hook",
    "_state_dict_pre_hooks": "state_dict pre-hook",
    "_state_dict_hooks": "state_dict hook",
    "_load_state_dict_pre_hooks": "load_state_dict pre-hook",
    "_load_state_dict_post_hooks": "load_state_dict post-hook",
}
GLOBAL = {
    "_global_forward_pre_hooks": "global forward pre-hook",
    "_global_forward_hooks": "global forward hook",
    "_global_backward_pre_hooks": "global full backward pre-hook",
    "_global_backward_hooks": "global backward hook",
}


def namespaces(frame: FrameType | None, session: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the namespaces in scope of ``frame``: its locals, its callers', globals, ours."""
    users = frames.user_frames(frame)
    spaces: list[Mapping[str, Any]] = [each.f_locals for each in users]
    spaces += [each.f_globals for each in users[:1] + users[-1:]]
    return [*spaces, session]


def reachable(space: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) for a name space and, one level down, attributes of plain objects."""
    for name, value in list(space.items()):
        if name.startswith("__"):
            continue
        yield name, value
        if opens(value):
            for attribute, inner in list(attributes(value).items()):
                yield f"{name}.{attribute}", inner


def opens(value: Any) -> bool:
    """Is this a plain object, whose attributes have names, too?"""
    if is_a(value, torch.nn.Module, torch.Tensor, type):
        return False
    module = home(type(value))
    plain = module == "__main__" or not module.startswith(("torch", "builtins", "numpy"))
    return plain and bool(attributes(value))


class Walked(NamedTuple):
    """A module and what is in it."""

    name: str
    root: torch.nn.Module
    modules: list[tuple[str, torch.nn.Module]]
    held: list[tuple[str, torch.Tensor]]
    """Parameters and buffers."""
    weighty: bool
    """Has it parameters?"""


def _walked(name: str, root: torch.nn.Module) -> Walked | None:
    """Return what is in ``root``; None where its methods, the user's own, raise."""
    try:
        parameters = list(root.named_parameters())
        held = [*parameters, *root.named_buffers()]
        return Walked(name, root, list(root.named_modules()), held, bool(parameters))
    except USER_ERRORS:
        return None


def _apart(roots: Iterable[tuple[str, torch.nn.Module]]) -> list[tuple[str, torch.nn.Module]]:
    """Return the modules by names of their own: a caller's ``model`` beside ours is model~2."""
    used: dict[str, int] = {}
    named = []
    for name, module in roots:
        used[name] = used.get(name, 0) + 1
        named.append((name if used[name] == 1 else f"{name}~{used[name]}", module))
    return named


class Names:
    """Names of modules, parameters and tensors, by identity, for one moment."""

    def __init__(self, spaces: Iterable[Mapping[str, Any]]) -> None:
        self.tensors: dict[int, str] = {}
        self.modules: dict[int, str] = {}
        self.parameters: dict[str, torch.Tensor] = {}
        self.roots: list[tuple[str, torch.nn.Module]] = []
        """Modules that are in no other, with what is put before the names of what they hold."""
        self._calls: list[str] = []
        """The variables of these modules."""
        self._plain: list[tuple[str, torch.Tensor]] = []
        roots: dict[int, tuple[str, torch.nn.Module]] = {}
        plain: dict[int, tuple[str, torch.Tensor]] = {}
        for space in spaces:
            for name, value in reachable(space):
                if is_a(value, torch.nn.Module):
                    if "_modules" not in attributes(value):  # Module.__init__ was not called (yet)
                        continue
                    if id(value) not in roots or roots[id(value)][0].startswith("self"):
                        roots[id(value)] = (name, value)
                elif is_a(value, torch.Tensor):
                    plain.setdefault(id(value), (name, value))
        self._add_modules(_apart(roots.values()))
        for key, (name, tensor) in plain.items():
            self.tensors.setdefault(key, name)
            self._plain.append((name, tensor))

    def variables(self) -> list[tuple[str, torch.Tensor]]:
        """Return the tensors that have a variable of their own."""
        return self._plain

    def _add_modules(self, named: list[tuple[str, torch.nn.Module]]) -> None:
        walked = [each for name, root in named if (each := _walked(name, root)) is not None]
        inner = {id(module) for each in walked for path, module in each.modules if path}
        roots = [each for each in walked if id(each.root) not in inner]
        only_one = sum(each.weighty for each in roots) <= 1
        for each in roots:
            self._add_root(each, bare=only_one and each.weighty)

    def _add_root(self, walked: Walked, bare: bool) -> None:
        """Name what is in a module; ``bare``: without the name of its variable."""
        prefix = "" if bare else walked.name + "."
        for path, module in walked.modules:
            own = type(module).__name__ if bare else walked.name
            self.modules.setdefault(id(module), prefix + path if path else own)
        for path, tensor in walked.held:
            self.tensors.setdefault(id(tensor), prefix + path)
            if isinstance(tensor, torch.nn.Parameter):
                self.parameters.setdefault(prefix + path, tensor)
        self._calls.append(walked.name)
        self.roots.append((prefix, walked.root))  # identities are good while their objects live

    def each_module(self) -> Iterator[tuple[torch.nn.Module, str]]:
        """Yield every module that has a path, with it."""
        for _, root in self.roots:
            for module in root.modules():
                yield module, self.modules[id(module)]

    def spellings(self, name: str) -> tuple[str, ...]:
        """Return a parameter's or module's name with and without its model's variable."""
        names = [name]
        for called, (prefix, _) in zip(self._calls, self.roots, strict=True):
            if not prefix:
                names.append(f"{called}.{name}")
            elif name.startswith(prefix):
                names.append(name.removeprefix(prefix))
        return tuple(names)

    def tensor(self, tensor: torch.Tensor) -> str:
        """Return the name of a tensor, or ''."""
        return self.tensors.get(id(tensor), "")

    def module(self, calls: list[torch.nn.Module]) -> str:
        """Return the path of the innermost of ``calls`` (innermost first), or ''."""
        if not calls:
            return ""
        path = self.modules.get(id(calls[0]))
        if path is not None:
            return str(path)
        for path, module in calls[-1].named_modules():
            if module is calls[0] and path:
                return str(path)
        return type(calls[0]).__name__


# -- whose a hook is ---------------------------------------------------------------------------


def hooks_of(tensor: torch.Tensor) -> tuple[HookInfo, ...]:
    """Return the hooks on a tensor, as far as torch tells of them.

    Hooks that were registered on its node itself cannot be seen from Python.
    """
    hooks = [*_several("hook", getattr(tensor, "_backward_hooks", None))]
    after = getattr(tensor, "_post_accumulate_grad_hooks", None)
    hooks += _several("post accumulate grad hook", after)
    return tuple(hooks[:HOOKS])


def hooks_of_module(module: torch.nn.Module) -> tuple[HookInfo, ...]:
    """Return the hooks on one module."""
    listed: list[HookInfo] = []
    for attribute, kind in OF_MODULE.items():
        hooks = vars(module).get(attribute)
        if hooks:
            full = attribute == "_backward_hooks" and vars(module).get("_is_full_backward_hook")
            listed += _several(f"full {kind}" if full else kind, hooks)
    return tuple(listed[:HOOKS])


def hooks_of_all() -> tuple[HookInfo, ...]:
    """Return the hooks that run for every module there is."""
    hooks: list[HookInfo] = []
    for attribute, kind in GLOBAL.items():
        hooks += _several(kind, getattr(torch_module, attribute, None))
    return tuple(hooks[:HOOKS])


def _several(kind: str, hooks: Any) -> Iterator[HookInfo]:
    values: Iterable[Any] = hooks.values() if isinstance(hooks, dict) else hooks or ()
    for hook in list(values):
        name, code = owner(hook)
        ours = code is not None and frames.kind(code) not in (frames.USER, frames.OURS)
        place = f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}" if code else ""
        yield HookInfo(kind=kind, owner=name, place=place, ours=ours)


def owner(function: Any) -> tuple[str, Any]:
    """Return the name of a callable and the code that it runs, or None for what is no Python."""
    while isinstance(function, partial):
        function = function.func
    if type(function).__name__ == "_WrappedHook":  # torch's own, of one that wants the module, too
        function = getattr(function, "hook", function)
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        code = getattr(type(function).__call__, "__code__", None)
        return type(function).__name__, code
    return str(getattr(function, "__qualname__", code.co_name)), code
