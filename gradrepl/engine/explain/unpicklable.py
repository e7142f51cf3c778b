"""Which part of a loader cannot be sent to a worker process."""

from __future__ import annotations

import io
import pickle
import sys
from typing import Any

import torch
from torch import multiprocessing


class _Nowhere(io.RawIOBase):
    """A file that keeps nothing."""

    def writable(self) -> bool:
        """It may be written to."""
        return True

    def write(self, data: Any) -> int:
        """Take everything."""
        return len(data)


def what_cannot_be_pickled(raised: BaseException) -> str:
    """Name the attribute that cannot be pickled, for an error while workers were started."""
    loader = None
    tb = raised.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == sys.modules["torch.utils.data.dataloader"].__file__:
            loader = tb.tb_frame.f_locals.get("loader", loader)
        tb = tb.tb_next
    if loader is None:
        return ""
    context = loader.multiprocessing_context or multiprocessing
    method = context.get_start_method()
    found = _guilty(loader)
    if not found:
        return ""
    return (
        f"{' and '.join(found[:3])} cannot be pickled, and with the start method '{method}' all "
        "that a worker gets is: define functions and classes at the top of a file, not inside a "
        "function and not as a lambda; or use multiprocessing_context='fork'."
    )


def _guilty(loader: Any) -> list[str]:
    """Return the names of what cannot be pickled, as deep as it can be told."""
    found = []
    for name in ("dataset", "collate_fn", "worker_init_fn"):
        value = getattr(loader, name, None)
        if value is not None and not _pickles(value):
            inner = [f"{name}.{key}" for key, each in _attributes(value) if not _pickles(each)]
            found += inner or [f"{name} ({type(value).__name__})"]
    return found


def _attributes(value: Any) -> list[tuple[str, Any]]:
    held = getattr(value, "__dict__", None)
    return list(held.items()) if isinstance(held, dict) else []


def _pickles(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    large = (torch.Tensor,) if numpy is None else (torch.Tensor, numpy.ndarray)
    if isinstance(value, large):
        return True
    try:
        pickle.Pickler(_Nowhere()).dump(value)
    except Exception:  # what the user's own classes raise
        return False
    return True
