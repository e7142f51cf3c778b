"""A bug of ours: a log without anybody's values in it, and one line that says where it is."""

from __future__ import annotations

import os
import platform
import traceback
from datetime import UTC, datetime

from platformdirs import user_state_path


def report(error: BaseException) -> str:
    """Write a log of ``error``, without locals; return the one line that the user sees."""
    folder = user_state_path("gradrepl") / "crashes"
    now = datetime.now(UTC)
    text = f"gradrepl crashed at {now.isoformat(timespec='seconds')}\n"
    text += f"python {platform.python_version()} on {platform.platform()}\n\n"
    text += "".join(traceback.format_exception(error))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{now:%Y%m%d-%H%M%S}-{os.getpid()}.txt"
        path.write_text(text, encoding="utf-8")
        where = f"; the details are in {path}"
    except OSError:
        where = ""
    return f"gradrepl: a bug of ours, {type(error).__name__}{where}. Please report it."
