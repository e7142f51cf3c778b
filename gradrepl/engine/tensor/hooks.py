"""Hooks and who they belong to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch.nn.modules import module as torch_module

from gradrepl.engine.code import frames
from gradrepl.model import HookInfo

LISTED = 32
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


def of_tensor(tensor: torch.Tensor) -> tuple[HookInfo, ...]:
    """Return the hooks on a tensor, as far as torch tells of them.

    Hooks that were registered on its node itself cannot be seen from Python.
    """
    hooks = [*_several("hook", getattr(tensor, "_backward_hooks", None))]
    after = getattr(tensor, "_post_accumulate_grad_hooks", None)
    hooks += _several("post accumulate grad hook", after)
    return tuple(hooks[:LISTED])


def of_module(module: torch.nn.Module) -> tuple[HookInfo, ...]:
    """Return the hooks on one module."""
    found: list[HookInfo] = []
    for attribute, kind in OF_MODULE.items():
        hooks = vars(module).get(attribute)
        if hooks:
            full = attribute == "_backward_hooks" and vars(module).get("_is_full_backward_hook")
            found += _several(f"full {kind}" if full else kind, hooks)
    return tuple(found[:LISTED])


def of_all() -> tuple[HookInfo, ...]:
    """Return the hooks that run for every module there is."""
    hooks: list[HookInfo] = []
    for attribute, kind in GLOBAL.items():
        hooks += _several(kind, getattr(torch_module, attribute, None))
    return tuple(hooks[:LISTED])


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
