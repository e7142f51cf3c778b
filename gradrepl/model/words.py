"""Sentences, errors and ends."""

from __future__ import annotations

from typing import ClassVar

from gradrepl.model.base import Record


class Notice(Record, frozen=True, kw_only=True):
    """One sentence that something was done."""

    BRIEF: ClassVar[bool] = True
    message: str


class Text(Record, frozen=True, kw_only=True):
    """Longer text under a title: help, a list of examples."""

    title: str
    body: str


class Error(Record, frozen=True, kw_only=True):
    """One sentence of what went wrong, and what to do."""

    BRIEF: ClassVar[bool] = True
    message: str
    hint: str = ""
    kind: str = ""
    """Class of the user's exception, or of ours."""
    traceback: str = ""
    """The user's own traceback, ending at the user's own line; empty for our errors."""


class Ended(Record, frozen=True, kw_only=True):
    """The script came to its end."""

    BRIEF: ClassVar[bool] = True
    code: int
    script: str = ""
    exception: str = ""


class Gone(Record, frozen=True, kw_only=True):
    """The debuggee's process is no more."""

    BRIEF: ClassVar[bool] = True
    how: str
    """'exited with code 3' or 'killed by SIGKILL'."""
    code: int
