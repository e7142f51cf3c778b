"""The REPL dock, the same on every screen: transcript, completions, and the line to type in."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from gradrepl.draw import ink
from gradrepl.tui.panels.base import Panel, caption
from gradrepl.tui.panels.prompt import Prompt
from gradrepl.tui.panels.transcript import Transcript, typed

PROMPTS = {"idle": ">>> ", "forward": "(grad) ", "backward": "(grad:bw) ", "exception": "(grad:x) "}


class Dock(Vertical):
    """Everything typed, with the answers; text and history are never lost by switching."""

    progress = ""
    """How far something long is, in the caption instead of the hint; empty when nothing is."""
    _right = ""
    _captioned: tuple[str, int] | None = None
    _labelled = ("", "")

    def __init__(self) -> None:
        super().__init__(id="dock")
        self.transcript = Transcript("transcript")
        self.prompt = Prompt("prompt")
        self.words = Static(id="words")
        self.label = Static(Content("    "), id="label")

    def compose(self) -> ComposeResult:
        """Lay out the parts."""
        yield self.transcript
        yield self.words
        with Horizontal(id="line"):
            yield self.label
            yield self.prompt

    @property
    def typing(self) -> bool:
        """Whether letters are text now."""
        return self.prompt.has_focus

    def on_resize(self) -> None:
        """Draw the caption for the new width."""
        self._caption(self._right)

    def _caption(self, right: str) -> None:
        room = self.outer_size.width - 6
        if self._captioned == (right, room):
            return
        self._right, self._captioned = right, (right, room)
        self.border_title = caption("REPL", right, self.outer_size.width - 6, Panel.ascii)

    def state(self, prompt: str, waiting_input: bool, ready: bool = True, away: str = "") -> None:
        """Show the prompt of ``prompt`` (a state, or empty while code runs).

        ``away`` says how to come back to where typed lines run, when the lists look elsewhere.
        """
        busy = "(running) " if ready else "(starting) "
        label = "input: " if waiting_input else PROMPTS.get(prompt, busy)
        if self.prompt.waiting_input != waiting_input:
            self.prompt.waiting_input = waiting_input
            self.prompt.refresh()
        if self.prompt.searching is not None:
            label = f"(search '{ink.clean(self.prompt.searching)}') "
        style = "bold" if prompt or waiting_input else "dim"
        if self._labelled != (label, style):
            self._labelled = label, style
            self.label.update(Content.styled(label, style))
        if self.typing:
            hint = "esc leaves typing"
        elif prompt or waiting_input:
            hint = "i or : to type"
        else:
            hint = "running   ^c pauses" if ready else "torch is being imported"
        hint = f"{away}   {hint}" if away else hint
        self._caption(self.progress or hint)

    def echo(self, state: str, text: str, dim: bool = False) -> None:
        """Write what was typed, as it was typed, into the transcript."""
        self.transcript.add(lambda width: typed(PROMPTS.get(state, ">>> "), text, dim))

    def offer(self, words: Sequence[str], fragment: str) -> None:
        """Show ``words`` above the line; put in what they have in common for ``fragment``."""
        self.words.display = len(words) > 1
        if not words:
            return
        common = _common(min(words), max(words))
        if len(words) == 1 or (common.startswith(fragment) and len(common) > len(fragment)):
            row, column = self.prompt.cursor_location
            self.prompt.replace(common, (row, column - len(fragment)), (row, column))
        if len(words) > 1:
            shown = ink.clip("  ".join(words), max(10, self.size.width - 4))
            self.words.update(Content.styled(shown, "dim"))


def _common(first: str, last: str) -> str:
    """Return what two words begin with; of the first and last of many it is what all begin with."""
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[: min(len(first), len(last)) if same is None else same]
