"""Code that is seen otherwise than it reads, told once a script: torch.func, packed savings."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import torch

from gradrepl.engine import torch_private
from gradrepl.model import Notice, Site

if TYPE_CHECKING:
    from gradrepl.engine.stopping.events import Host
    from gradrepl.engine.stopping.stepper import Stepper

_TORCHS = ("torch.utils.checkpoint", "torch._functorch", "torch._dynamo")
"""Modules whose hooks keep nothing that could be overwritten: they work it out again."""


class Regions:
    """Looks, as an op begins, at what it begins in."""

    def __init__(self, session: Host) -> None:
        self._session = session
        self._said: set[tuple[str, str]] = set()

    def note(self, site: Site | None) -> None:
        """Say what is special here, unless it has been said."""
        if torch_private.innermost_transform() is not None:
            self._once("func", site, _transformed)
        hooks = torch_private.saved_hooks(True)
        if hooks is None or not torch.is_grad_enabled():
            return
        if not str(getattr(hooks[0], "__module__", "")).startswith(_TORCHS):
            self._once("packed", site, _packed)

    def _once(self, what: str, site: Site | None, sentence: Any) -> None:
        key = what, self._session.script
        if key in self._said:
            return
        self._said.add(key)
        place = "" if site is None else f"{os.path.basename(site.file)}:{site.line}: "
        self._session.tell(Notice(message=place + sentence()))


def passed_by(stepper: Stepper) -> str:
    """Return what cannot be stepped from where this thread stops unasked, or ''."""
    here = threading.current_thread()
    if torch_private.running_backward() != -1 and not stepper.passes:
        return (
            "this is inside a backward that nobody watched from its beginning: no node of it can"
            " be stopped at."
        )
    if here is not stepper.thread:
        return (
            f"this is thread '{here.name}': 's' stops at the nodes of its backwards, but only at"
            f" the ops of '{stepper.thread.name}'."
        )
    return ""


def _transformed() -> str:
    names = [each.key().name.lower() for each in torch_private.transforms()]
    return (
        f"torch.func transforms this code ({', '.join(names)}): its ops and nodes are seen,"
        " with shapes as it sees them; the values stay inside and are not shown."
    )


def _packed() -> str:
    return (
        "saved_tensors_hooks pack what is saved for the backward: torch does not check there"
        " whether a saved tensor is overwritten in place. Hooks that keep the tensor and not a"
        " copy then give a wrong gradient with no error."
    )
