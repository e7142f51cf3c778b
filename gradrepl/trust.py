"""Start-up files, and which projects may have one.

``gradreplrc`` in the configuration folder holds lines that are run before the first prompt of
every session. A project's own ``.gradreplrc``, and settings of its ``pyproject.toml`` that would
run code, are used only after ``gradrepl trust``: a folder that was merely cloned runs nothing. The
trust is in the files as they are; when one changes, it must be given anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from platformdirs import user_config_path, user_state_path

from gradrepl.errors import ConfigError

RC = ".gradreplrc"


def _store() -> Path:
    return user_state_path("gradrepl") / "trusted.json"


def _known() -> dict[str, str]:
    try:
        known = json.loads(_store().read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def is_trusted(file: Path) -> bool:
    """Has the user said that this file, as it is now, may run code?"""
    digest = _digest(file)
    return bool(digest) and _known().get(str(file.resolve())) == digest


def trust(folder: Path) -> list[Path]:
    """Trust the start-up file and the settings of a project, as they are; return the files.

    Raises:
        ConfigError: there are none, or it cannot be remembered.
    """
    files = [file for file in (folder / RC, folder / "pyproject.toml") if file.is_file()]
    if not files:
        raise ConfigError(f"there is neither {RC} nor pyproject.toml in '{folder}'.")
    _remember(_known() | {str(file.resolve()): _digest(file) for file in files})
    return files


def untrust(folder: Path) -> None:
    """Take the trust in a project back.

    Raises:
        ConfigError: it cannot be remembered.
    """
    gone = folder.resolve()
    _remember({name: of for name, of in _known().items() if Path(name).parent != gone})


def _remember(known: dict[str, str]) -> None:
    store = _store()
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        new = store.with_suffix(".new")
        new.write_text(json.dumps(known, indent=1))
        os.replace(new, store)
    except OSError as error:
        raise ConfigError(f"'{store}' cannot be written: {error.strerror}.") from None


def lines() -> tuple[str, ...]:
    """Return the lines of the user's start-up file, then those of this folder's, if trusted."""
    lines: list[str] = []
    for file in (user_config_path("gradrepl") / "gradreplrc", Path(RC)):
        if file.is_file() and (file.name != RC or is_trusted(file)):
            lines += _lines(file)
    return tuple(lines)


def waiting() -> bool:
    """Is there a start-up file here that is not trusted?"""
    return Path(RC).is_file() and not is_trusted(Path(RC))


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}.") from None
    return [
        line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
