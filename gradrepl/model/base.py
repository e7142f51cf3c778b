"""What every record is, and its form as JSON."""

from __future__ import annotations

import json
import math
import os
import re
from typing import Any, ClassVar

import msgspec


class Record(msgspec.Struct, frozen=True, tag_field="type", tag=True, kw_only=True):
    """Anything that may be shown. Subclasses are tagged with their own name."""

    BRIEF: ClassVar[bool] = False
    """It never takes a screen for itself, however many lines it has."""
    PANE: ClassVar[str] = ""
    """A pane of the Data screen that keeps the last of its class: 'time', which shows it with its
    ``verdict``; 'classes', which shows its ``labels`` of so many ``samples``. Its ``loader`` is the
    name of the loader that it is about."""


class Site(msgspec.Struct, frozen=True):
    """The user's line: never a line inside torch or gradrepl."""

    file: str
    line: int
    function: str
    text: str

    @property
    def place(self) -> str:
        """The file's name and the line.

        >>> Site("/home/me/train.py", 36, "step", "loss.backward()").place
        'train.py:36'
        """
        return f"{os.path.basename(self.file)}:{self.line}"


def kinds_of(kind: type) -> tuple[type, ...]:
    """Return every class below ``kind``: what the codec must be able to tell apart."""
    below: list[type] = kind.__subclasses__()
    return tuple(dict.fromkeys([*below, *(each for k in below for each in kinds_of(k))]))


def _plain(value: Any) -> Any:
    """``value`` with non-finite floats as the strings 'nan', 'inf', '-inf'."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def to_json(record: Record) -> str:
    """Encode ``record`` as one line of JSON; JSON has no NaN, so it is written "nan"."""
    plain = _plain(msgspec.to_builtins(record))
    try:
        return msgspec.json.encode(plain).decode()
    except UnicodeEncodeError:  # half of a surrogate pair
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        return re.sub("[\ud800-\udfff]", "\ufffd", text)
