"""A file appears whole or not at all: written beside its place, then put there in one stroke."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from gradrepl.errors import TargetError

_WHY = {
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.ENAMETOOLONG: "the name is too long",
}


def check(path: str, overwrite: bool) -> Path:
    """Return the place that ``path`` means.

    Raises:
        TargetError: nothing can be written there, or something is there already.
    """
    try:
        if "\0" in path:
            raise ValueError("its name has a NUL in it")
        place = Path(path).expanduser()
        place = place.resolve() if place.is_symlink() else place
        if place.is_dir():
            raise TargetError(f"'{path}' is a directory.", "Name a file in it.")
        if place.exists() and not place.is_file():
            raise TargetError(f"'{path}' is no ordinary file.", "Name another one.")
        if place.exists() and not overwrite:
            raise TargetError(f"'{path}' is there already.", "':export! ...' writes over it.")
        if not place.parent.is_dir():
            raise TargetError(f"there is no directory '{place.parent}'.", "Make it first.")
    except (OSError, ValueError, RuntimeError) as error:  # a user without a home
        raise _failed(path, error) from None
    return place


@contextmanager
def written(path: str, overwrite: bool = False) -> Iterator[TextIO]:
    """Open a file for writing; it gets its name when the block is left without an exception.

    Raises:
        TargetError: it cannot be written; nothing is left behind.
    """
    place = check(path, overwrite)
    part = place.with_name(f".gradrepl-{secrets.token_hex(6)}.part")
    try:
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _failed(path, error) from None
    try:
        with open(number, "w", encoding="utf-8", errors="replace", newline="\n") as file:
            yield file
        if place.exists():
            os.chmod(part, stat.S_IMODE(place.stat().st_mode))
        os.replace(part, place)
    except OSError as error:
        raise _failed(path, error) from None
    finally:
        with suppress(OSError):
            os.unlink(part)


def _failed(path: str, error: Exception) -> TargetError:
    number = getattr(error, "errno", None)
    why = _WHY.get(number or 0) or getattr(error, "strerror", None) or str(error)
    return TargetError(f"'{path}' cannot be written: {why}.", "Name another file.")
