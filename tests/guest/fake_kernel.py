"""A notebook's kernel without IPython: ``input()`` answers from a list and keeps the prompts."""

import builtins
import sys
from types import SimpleNamespace
from typing import Any

import pytest


class Kernel:
    """What is typed into the cell's line, and what was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, answers: bool = True) -> None:
        self.lines: list[Any] = []
        self.asked: list[str] = []
        shell = SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=answers))
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
        monkeypatch.setattr(builtins, "input", self._input)

    def will(self, *lines: Any) -> None:
        """Have these typed, one after the other; an exception is raised."""
        self.lines += lines

    def _input(self, prompt: str = "") -> str:
        self.asked.append(prompt)
        if not self.lines:
            raise AssertionError(f"nothing is left to be typed at {prompt!r}")
        line = self.lines.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line
