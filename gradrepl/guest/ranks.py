"""A job of several processes: what a pause of one does to the others."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import timedelta
from typing import Any


def others_wait() -> str:
    """Say that the other ranks wait while this one is paused; '' where there are none."""
    distributed: Any = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return ""
    size = distributed.get_world_size()
    if size < 2:
        return ""
    who = "the other rank waits" if size == 2 else f"the other {size - 1} ranks wait"
    limit = patience()
    most = f", at most {limit} (the group's time-out), then the job ends" if limit else ""
    here = f"rank {distributed.get_rank()} of {size}"
    return f"This is {here}: while it is paused, {who} at the next collective{most}."


def patience() -> timedelta | None:
    """Return the time-out of the default group; None where torch does not tell."""
    module: Any = sys.modules.get("torch.distributed.distributed_c10d")
    with suppress(AttributeError, RuntimeError, ValueError, IndexError):
        group = module._get_default_group()
        found = group._get_backend(group._device_types[0]).options._timeout
        return found if isinstance(found, timedelta) else None
    return None
