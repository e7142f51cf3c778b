"""Python names that can follow what is typed. No property and no ``__getattr__`` is run."""

from __future__ import annotations

import builtins
import inspect
import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LIMIT = 200
_MODULE_PARTS = ("_parameters", "_buffers", "_modules")


def words(text: str, spaces: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the whole words (with dots) that ``text``'s last word may become."""
    match = re.search(r"[\w.]*$", text)
    start = match[0] if match else ""
    owner, dot, part = start.rpartition(".")
    if not dot:
        names: Iterable[str] = {*keyword.kwlist, *dir(builtins)}.union(*spaces)
    else:
        value = _static(owner.split("."), spaces)
        names = _attributes(value) if value is not _NOTHING else ()
    chosen = sorted(n for n in names if n.startswith(part) and (part or not n.startswith("_")))
    return [owner + dot + name for name in chosen[:LIMIT]]


_NOTHING = object()


def _static(path: list[str], spaces: Sequence[Mapping[str, Any]]) -> Any:
    """Follow ``a.b.c`` through plain attributes only."""
    value: Any = _NOTHING
    for space in (*spaces, vars(builtins)):
        if path[0] in space:
            value = space[path[0]]
            break
    for name in path[1:]:
        if value is _NOTHING:
            break
        value = _plain_attribute(value, name)
    return value


def _plain_attribute(value: Any, name: str) -> Any:
    own = _instance_dict(value)
    for part in _MODULE_PARTS:
        held = own.get(part)
        if isinstance(held, dict) and name in held:
            return held[name]
    try:
        attribute = inspect.getattr_static(value, name)
    except AttributeError:
        return _NOTHING
    if name in own or inspect.ismodule(value):
        return attribute
    # Anything that would run code on access is not followed.
    return _NOTHING if hasattr(type(attribute), "__get__") else attribute


def _instance_dict(value: Any) -> dict[str, Any]:
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return own if isinstance(own, dict) else dict(own)


def _attributes(value: Any) -> set[str]:
    own = _instance_dict(value)
    names = set(map(str, own))
    for part in _MODULE_PARTS:
        if isinstance(own.get(part), dict):
            names.update(own[part])
    kind = value if isinstance(value, type) else type(value)
    for base in kind.__mro__:
        names.update(vars(base))
    return names
