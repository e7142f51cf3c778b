"""What a value is and what it holds, asked so that no code of its class's runs.

``isinstance`` asks a value for its ``__class__`` and ``vars`` for its ``__dict__``: both may be
the program's own code, which may raise, as that of a weak proxy does whose object is gone.
"""

from __future__ import annotations

from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

USER_ERRORS = (Exception, SystemExit, GeneratorExit)
"""What code of the user's that is only looked at may raise, and the program goes on."""

_PLAIN = (GetSetDescriptorType, MemberDescriptorType)
_bases = type.__dict__["__mro__"].__get__
_body = type.__dict__["__dict__"].__get__


def is_a(value: Any, *kinds: type) -> bool:
    """Is the value's type one of these, or below one?

    >>> is_a(True, int), is_a(1.0, int, str)
    (True, False)
    """
    bases = _bases(type(value))
    for kind in kinds:  # noqa: SIM110 (asked for every name in scope)
        if kind in bases:
            return True
    return False


def attributes(value: Any) -> dict[str, Any]:
    """Return the attributes that an object itself has; {} where its class keeps them otherwise.

    >>> from types import SimpleNamespace
    >>> attributes(SimpleNamespace(lr=0.1)), attributes(1)
    ({'lr': 0.1}, {})
    """
    for base in _bases(type(value)):
        own = _body(base).get("__dict__")
        if own is not None:
            held = own.__get__(value) if type(own) in _PLAIN else None
            return held if type(held) is dict else {}
    return {}


def home(kind: type) -> str:
    """Return the name of the module that a class is from.

    >>> home(int)
    'builtins'
    """
    module = _body(kind).get("__module__", "builtins")
    return module if type(module) is str else ""
