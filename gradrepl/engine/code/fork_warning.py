"""Python's warning of a fork with several threads, told only where the program has them itself.

Since Python 3.12 a fork of a process that has more than one thread gives a DeprecationWarning. A
program that is debugged has ours besides its own. One filter of warnings answers, when that
warning comes, whether it would have come without us.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import warnings
from typing import Any

_TEXT = re.compile(r"This process \(pid=\d+\) is multi-threaded, use of \w+\(\) may lead to")
_OURS = "gradrepl"
"""How the names of all our threads begin."""


class _OnlyOurs:
    """Takes the place of the pattern in a filter: matches where ours are the only other threads."""

    def match(self, text: str) -> bool:
        """Is this that warning, and would it not be there without us?"""
        mine = sum(each.name.startswith(_OURS) for each in threading.enumerate())
        if not _TEXT.match(text) or _threads() - mine > 1:
            return False  # and the filter stays until the next fork: Python goes through the list
        _remove()
        return True


_filter: Any = ("ignore", _OnlyOurs(), DeprecationWarning, None, 0)


def _threads() -> int:
    """Return how many threads Python counts when it warns: the system's, where it tells them."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


def _add() -> None:
    _remove()
    # Not by ``filterwarnings``, which would have every warning shown once more.
    warnings.filters.insert(0, _filter)  # type: ignore[attr-defined]


def _remove() -> None:
    if _filter in warnings.filters:
        warnings.filters.remove(_filter)  # type: ignore[attr-defined]


def keep_to_itself() -> None:
    """From now on, tell that warning only where it would come without us."""
    if sys.version_info >= (3, 12):
        os.register_at_fork(before=_add, after_in_child=_remove)
