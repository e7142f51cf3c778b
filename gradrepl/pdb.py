"""Python's own debugger with our words added: ``grad x``, ``mem a b``, ``fn y``, ``bw loss`` ...

``pytest --pdb --pdbcls=gradrepl.pdb:Pdb``, or ``gradrepl.pdb.set_trace()``. A word that is the
name of a variable where we stand is Python; ``:grad x`` is always the word.
"""

from __future__ import annotations

import pdb
import sys
from types import FrameType
from typing import Any

from gradrepl.commands.registry import split_word
from gradrepl.line_commands import known, say


class Pdb(pdb.Pdb):
    """pdb, with our words."""

    def do_words(self, arg: str) -> None:
        """List our words.

        List the words that gradrepl adds.
        """
        words = [word for word in known() if hasattr(self, f"do_{word}")]
        self.message("gradrepl adds: " + ", ".join(words))
        self.message("A word that names a variable here is Python; ':word' is always the word.")

    def precmd(self, line: str) -> str:
        """Take a word of ours for one unless it is a name of the user's."""
        line = super().precmd(line)
        if line.startswith(":"):
            return line[1:].lstrip()
        word, _ = split_word(line)
        first = word or line.split("=")[0].split("(")[0].strip()
        if hasattr(type(self), f"do_{first}") and not hasattr(pdb.Pdb, f"do_{first}"):
            frame = self.curframe
            named = frame is not None and (first in frame.f_locals or first in frame.f_globals)
            if named or not word:
                return f"!{line}"
        return line

    def _say(self, word: str, arg: str) -> None:
        frame = self.curframe
        if frame is None:
            self.error("there is no frame to look from.")
            return
        stack: list[FrameType] = [frame]
        while (frame := frame.f_back) is not None:
            stack.append(frame)
        self.message(say(f"{word} {arg}", stack).rstrip("\n"))


def _word(word: str, text: str) -> Any:
    def do(self: Pdb, arg: str) -> None:
        self._say(word, arg)

    do.__name__, do.__doc__ = f"do_{word}", text
    return do


for _name, _command in known().items():
    if _name.isidentifier() and not hasattr(pdb.Pdb, f"do_{_name}"):
        # As pdb's own: Python 3.13 shows what stands before the empty line as the usage.
        setattr(Pdb, f"do_{_name}", _word(_name, f"{_command.usage}\n\n{_command.help}"))


def set_trace(*, header: str | None = None) -> None:
    """Stop here with this pdb; see :func:`pdb.set_trace`."""
    debugger = Pdb()
    if header is not None:
        debugger.message(header)
    debugger.set_trace(sys._getframe().f_back)


def post_mortem(t: Any = None) -> None:
    """Look at a traceback with this pdb; see :func:`pdb.post_mortem`."""
    t = sys.exc_info()[2] if t is None else t
    if t is None:
        raise ValueError("a traceback is needed: no exception is being handled.")
    debugger = Pdb()
    debugger.reset()
    debugger.interaction(None, t)


__all__ = ["Pdb", "post_mortem", "set_trace"]
