"""Whose code a frame is: from any call inside torch to the user's line and the modules around it.

Kinds are cached by code object, so that a walk up the stack costs a dictionary look-up a frame.
"""

from __future__ import annotations

import inspect
import linecache
import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from gradrepl.model import Site

USER, TORCH, OURS, LIBRARY = "user", "torch", "ours", "library"
MODULE, OPTIMIZER, CHECKPOINT, DISPATCH = "module", "optimizer", "checkpoint", "dispatch"

_OURS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
_EXAMPLES = os.path.join(_OURS, "examples") + os.sep
_STDLIB = sysconfig.get_paths()["stdlib"] + os.sep
_SITE_PACKAGES = os.sep + "site-packages" + os.sep
FETCHERS = os.path.join("torch", "utils", "data", "_utils", "fetch.py")
_KERNEL = re.compile(r"/site-packages/(IPython|ipykernel|tornado|traitlets|ipykernel_launcher)\b")
"""What runs a notebook's cell: nobody's step, and no names of the user's."""

_OURS_AND_THE_FRAMES = 3
"""References to a snapshot that nobody else holds: the frame's, a variable's and a call's."""
_HIDING = {"__tracebackhide__", "__debuggerskip__"}
plugins: set[str] = set()
"""Files and folders of the plugins that are loaded: their code counts as ours."""
_kinds: dict[int, tuple[str, CodeType]] = {}
_marked: list[CodeType] = []
_sites: dict[tuple[int, int], Site] = {}


def kind(code: CodeType) -> str:
    """Return whose code this is; inside torch, also the few functions that mean something."""
    known = _kinds.get(id(code))
    if known is None:
        # The code object is kept with its kind: a freed one's id may come back.
        known = _kinds[id(code)] = (_kind(code), code)
    return known[0]


def _kind(code: CodeType) -> str:
    name = code.co_filename
    if name.startswith(_EXAMPLES):
        return USER
    if name.startswith((_OURS, *plugins)):
        return OURS
    torch_dir = _torch_directory()
    if torch_dir and name.startswith(torch_dir):
        return _torch_kind(name[len(torch_dir) :], code.co_name)
    if name.startswith("<frozen") or _KERNEL.search(name.replace(os.sep, "/")):
        return LIBRARY
    if name.startswith(_STDLIB) and _SITE_PACKAGES not in name:
        return LIBRARY
    return USER


def _torch_directory() -> str:
    torch = sys.modules.get("torch")
    file = getattr(torch, "__file__", None)
    return os.path.dirname(file) + os.sep if file else ""


def _torch_kind(path: str, function: str) -> str:
    path = path.replace(os.sep, "/")
    if path == "nn/modules/module.py" and function == "_wrapped_call_impl":
        return MODULE
    if path.startswith("optim/"):
        return OPTIMIZER
    if path == "utils/checkpoint.py":
        return CHECKPOINT
    if path == "overrides.py" and function == "handle_torch_function":
        return DISPATCH
    return TORCH


def of_user(file: str) -> bool:
    """Is this a file of the user's own, neither installed nor Python's nor ours?"""
    return not (_SITE_PACKAGES in file or file.startswith((_STDLIB, _OURS)))


def installed(code: CodeType) -> bool:
    """Is this code of an installed package, not of the user's own files?"""
    return _SITE_PACKAGES in code.co_filename


def absolute(path: str) -> str:
    """Return the absolute path; the path as it is where the working folder was deleted."""
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        return path


def forget_kinds() -> None:
    """Forget what was judged before torch was there to be told from the user's code."""
    _kinds.clear()
    for code in _marked:
        _kinds[id(code)] = (OURS, code)


def mark_ours(code: CodeType) -> None:
    """Count ``code`` as ours, whatever file it says it is from."""
    _marked.append(code)
    _kinds[id(code)] = (OURS, code)


def release(released: list[FrameType]) -> None:
    """Let go of the snapshots of variables that looking into functions' frames has made.

    Before Python 3.13 a frame keeps the dictionary that ``f_locals`` returned, and with it every
    tensor in it, until the function ends. ``locals()`` gave the user's code the same dictionary:
    one that somebody else holds is left as it is. A function that is traced or profiled gets its
    variables back from the dictionary.
    """
    if sys.version_info < (3, 13) and sys.gettrace() is sys.getprofile() is None:
        for frame in released:
            if frame.f_code.co_flags & inspect.CO_OPTIMIZED and frame.f_trace is None:
                snapshot = frame.f_locals
                if sys.getrefcount(snapshot) <= _OURS_AND_THE_FRAMES:
                    snapshot.clear()


def site(frame: FrameType, at: tuple[int, int] | None = None) -> Site:
    """Return the user's line that ``frame`` is at, or was ``at``: (f_lasti, line)."""
    code = frame.f_code
    key = (id(code), at[0] if at else frame.f_lasti)
    known = _sites.get(key)
    if known is None:
        kind(code)
        line = at[1] if at else frame.f_lineno
        text = linecache.getline(code.co_filename, line, frame.f_globals).strip()
        known = _sites[key] = Site(code.co_filename, line, code.co_name, text)
    return known


def fetch() -> FrameType | None:
    """Return the call inside of which a DataLoader makes a batch in this thread just now."""
    for each in up(sys._getframe(1)):
        code = each.f_code
        if code.co_name == "fetch" and code.co_filename.endswith(FETCHERS):
            return each
    return None


def up(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield ``frame`` and its callers, innermost first."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def user_frames(frame: FrameType | None) -> list[FrameType]:
    """Return the user's frames, innermost first."""
    return [each for each in up(frame) if kind(each.f_code) == USER and not _hidden(each)]


def _hidden(frame: FrameType) -> bool:
    """Honour the convention of pytest and IPython for frames that nobody wants to see."""
    code = frame.f_code
    if code.co_flags & inspect.CO_OPTIMIZED and not _HIDING.intersection(code.co_varnames):
        return False
    local = frame.f_locals
    return bool(local.get("__tracebackhide__") is True or local.get("__debuggerskip__") is True)


def module_of(frame: FrameType) -> Any:
    """Return the ``nn.Module`` whose call this frame of kind MODULE is."""
    return frame.f_locals.get("self")


class Walk:
    """What one walk up the stack finds for an op: the line, the module calls, what is around."""

    __slots__ = ("checkpoint", "frame", "module_frames", "optimizer")

    def __init__(self, frame: FrameType | None) -> None:
        self.frame: FrameType | None = None
        """The innermost frame of the user's."""
        self.module_frames: list[FrameType] = []
        """Frames of the calls of modules that we are inside of, innermost first."""
        self.optimizer = False
        """Is this inside an optimizer of torch's?"""
        self.checkpoint = False
        """Is this inside of torch.utils.checkpoint?"""
        kinds = _kinds
        while frame is not None:
            known = kinds.get(id(frame.f_code))
            what = known[0] if known is not None else kind(frame.f_code)
            if what == USER:
                if self.frame is None:
                    self.frame = frame
            elif what == MODULE:
                self.module_frames.append(frame)
            elif what == OPTIMIZER:
                self.optimizer = self.optimizer or self.frame is None
            elif what == CHECKPOINT:
                self.checkpoint = True
            frame = frame.f_back

    def modules(self) -> list[Any]:
        """Return the modules being called, innermost first."""
        return [module_of(frame) for frame in self.module_frames]
