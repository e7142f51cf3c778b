"""Whether we are in a notebook, which has no terminal but may be asked for a line."""

from __future__ import annotations

import sys
import threading
from typing import Any


def asks() -> bool:
    """Is this a kernel, in the thread that runs its cells, with somebody there who can answer?"""
    find: Any = getattr(sys.modules.get("IPython"), "get_ipython", None)
    kernel = getattr(find(), "kernel", None) if find is not None else None
    if kernel is None or threading.current_thread() is not threading.main_thread():
        return False
    return bool(getattr(kernel, "_allow_stdin", True))
