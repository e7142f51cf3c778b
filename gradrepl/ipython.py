"""IPython's extension: ``%load_ext gradrepl`` gives ``%grad x``, ``%%grad`` and ``%gradrepl``."""

from __future__ import annotations

from typing import Any, Protocol


class Shell(Protocol):
    """What we need of IPython's shell."""

    user_ns: dict[str, Any]
    compile: Any

    def transform_cell(self, cell: str) -> str:
        """Return the cell as plain Python."""

    def register_magic_function(self, func: Any, magic_kind: str, magic_name: str) -> None:
        """Take in a magic."""


def load_ipython_extension(shell: Shell) -> None:
    """Register the magics."""
    magics = Magics(shell)
    shell.register_magic_function(magics.grad, "line_cell", "grad")
    shell.register_magic_function(magics.gradrepl, "line", "gradrepl")


def unload_ipython_extension(shell: Any) -> None:
    """Take the magics out again."""
    for kind, name in (("line", "grad"), ("cell", "grad"), ("line", "gradrepl")):
        shell.magics_manager.magics[kind].pop(name, None)


class Magics:
    """The magics of one shell."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    def grad(self, line: str, cell: str | None = None) -> None:
        """Tell about a tensor's gradient; as a cell magic run the cell, stopped at its first line.

        ``%grad x`` shows ``x.grad``, or why there is none. ``%%grad`` steps the cell: in a face on
        this terminal, in a notebook at a line below the cell; where there is neither, it waits for
        ``gradrepl attach``.
        """
        if cell is None:
            self.gradrepl(f"grad {line}")
            return
        from gradrepl.guest import api

        source = self._shell.transform_cell(cell)
        name = self._shell.compile.cache(source)
        api.run(compile(source, name, "exec", dont_inherit=True), self._shell.user_ns)

    def gradrepl(self, line: str) -> None:
        """Say one of gradrepl's words: ``%gradrepl mem a b``; alone it lists them."""
        from gradrepl import draw
        from gradrepl.words import known, say

        if not line.strip():
            print("%gradrepl WORD ARGS, with a WORD of: " + ", ".join(known()))
            return
        print(draw.text(say(line, [], self._shell.user_ns)), end="")
