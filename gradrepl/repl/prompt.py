"""The line prompt on a terminal, with history, completion, blocks of lines and a toolbar.

While the user's code runs this process neither reads the terminal nor minds Ctrl-C: both belong
to the debuggee, which shares the terminal.
"""

from __future__ import annotations

import asyncio
import os
import platform
import select
import signal
import sys
import time
from collections.abc import AsyncGenerator, Iterable
from importlib import metadata

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.history import History as PromptHistory
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.input.vt100_parser import Vt100Parser
from prompt_toolkit.key_binding import KeyBindings, KeyPress, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth, create_output

from gradrepl import __version__, model
from gradrepl.commands.conversation import Conversation, History, converse
from gradrepl.commands.entry import fragment
from gradrepl.commands.registry import PROMPTS
from gradrepl.launch import Options
from gradrepl.repl.batch import pass_signals
from gradrepl.repl.output import Output, fresh_line

INDENT = "    "
MOST_AHEAD = 1 << 16
"""Bytes that are taken of what was typed while code ran."""
TYPED_AHEAD = 0.25
"""Seconds after a prompt's start in which keys were pressed before it was there."""
GRACE = 0.1
"""Seconds in which what was entered is running, if it takes its time."""


def run(options: Options) -> int:
    """Serve the prompt; return the exit code."""
    # A handler and not SIG_IGN, which the debuggee would inherit.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    return asyncio.run(LinePrompt(options).serve())


class LinePrompt:
    """The conversation at a prompt."""

    def __init__(self, options: Options) -> None:
        self._plain = options.plain
        self._output = Output(options)
        self._was_empty = True
        self._asked_at = 0.0
        self.talk = converse(options, self._show)
        self.talk.on_change = self._changed
        self._session: PromptSession[str] = PromptSession(
            lambda: PROMPTS[self.talk.state],
            multiline=True,
            history=SharedHistory(History()),
            completer=TalkCompleter(self.talk),
            complete_while_typing=False,
            auto_suggest=None if options.plain else AutoSuggestFromHistory(),
            key_bindings=self._keys(),
            prompt_continuation=lambda width, number, wrapped: "...".ljust(width),
            bottom_toolbar=None if options.plain else lambda: toolbar(self.talk),
            enable_suspend=True,
            enable_open_in_editor=True,
            color_depth=None if options.color else ColorDepth.DEPTH_1_BIT,
            output=create_output(always_prefer_tty=True),  # even where standard output is a file
        )

    async def serve(self) -> int:
        """Ask and answer until the end; return the exit code."""
        talk = self.talk
        endpoint = talk.options.endpoint
        if endpoint is None:
            print(banner())
        elif endpoint.link < 0:  # not on the program's own terminal: Ctrl-C comes to us alone
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, talk.interrupt)
        pass_signals(talk)
        try:
            await talk.start()
            while not talk.finished:
                await self._turn()
        finally:
            await talk.close()
        return talk.exit_code

    async def _turn(self) -> None:
        """One entry, or one key that ends the line."""
        await self.talk.settled()
        if self.talk.finished:
            return
        self._begin_line()
        self._take_ahead()
        self._asked_at = time.monotonic()
        try:
            text = await self._session.prompt_async(handle_sigint=False)
        except KeyboardInterrupt:
            if self._was_empty:
                self.talk.interrupt()
                await self.talk.settled()
            return
        except EOFError:
            await self.talk.quit()
            return
        entry = asyncio.create_task(self.talk.enter(text))
        if self._struck() and not (await asyncio.wait((entry,), timeout=GRACE))[0]:
            self.talk.interrupt()
        await entry

    def _take_ahead(self) -> None:
        """Take the lines that were typed while code ran: the terminal had made c-j of Enter."""
        stdin = self._session.input
        try:
            lines = b""
            while select.select([stdin.fileno()], [], [], 0)[0] and len(lines) < MOST_AHEAD:
                piece = os.read(stdin.fileno(), MOST_AHEAD)
                lines += piece
                if not piece:  # its end
                    break
        except OSError:
            return  # the terminal is gone: the prompt finds that out
        presses: list[KeyPress] = get_typeahead(stdin)
        parser = Vt100Parser(presses.append)
        parser.feed_and_flush(lines.decode(errors="replace").replace("\n", "\r"))
        store_typeahead(stdin, presses)

    def _struck(self) -> bool:
        """Was Ctrl-C pressed behind Enter, before the terminal was the program's again?

        What was typed before it is dropped, as a terminal does.
        """
        keys = get_typeahead(self._session.input)
        struck = [place for place, press in enumerate(keys, 1) if press.key == Keys.ControlC]
        store_typeahead(self._session.input, keys[struck[-1] :] if struck else keys)
        return bool(struck)

    def _begin_line(self) -> None:
        """Go to a fresh line if the user's output has left the cursor inside one."""
        if not self._plain:
            sys.stdout.write(fresh_line())
            sys.stdout.flush()

    def _show(self, record: model.Record) -> None:
        if self._session.app.is_running:
            run_in_terminal(lambda: self._output.show(record))
        else:
            self._output.show(record)

    def _changed(self) -> None:
        app = self._session.app
        if not app.is_running:
            return
        if self.talk.finished and app.future is not None and not app.future.done():
            app.exit(exception=EOFError())
        app.invalidate()

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        typing = has_focus(DEFAULT_BUFFER)  # not while searching
        keys.add("enter", filter=typing)(self._enter)
        keys.add("escape", "enter", filter=typing)(_indented_newline)
        keys.add("c-j", filter=typing)(self._newline)
        keys.add("c-c")(self._cancel)
        keys.add("tab", filter=typing & Condition(self._at_indent))(
            lambda event: event.current_buffer.insert_text(INDENT)
        )
        return keys

    def _enter(self, event: KeyPressEvent) -> None:
        """Run a complete entry; else begin a new line, indented as the block asks."""
        buffer = event.current_buffer
        completing = buffer.complete_state
        if completing is not None and completing.current_completion is not None:
            buffer.complete_state = None  # the word is in; Enter only closes the menu
            return
        head, _, last = buffer.text.rpartition("\n")
        text = f"{head}\n" if head and not last.strip() else buffer.text
        inside = "\n" in buffer.document.text_after_cursor
        if inside or self.talk.needs_more(text):
            _indented_newline(event)
        else:
            buffer.validate_and_handle()

    def _newline(self, event: KeyPressEvent) -> None:
        """Ctrl-J; but Enter, too, comes as this when it was typed while code ran."""
        if time.monotonic() - self._asked_at < TYPED_AHEAD:
            self._enter(event)
        else:
            _indented_newline(event)

    def _cancel(self, event: KeyPressEvent) -> None:
        self._was_empty = not event.current_buffer.text
        event.app.exit(exception=KeyboardInterrupt(), style="class:aborting")

    def _at_indent(self) -> bool:
        before = self._session.default_buffer.document.current_line_before_cursor
        return not before.strip()


def _indented_newline(event: KeyPressEvent) -> None:
    """Begin a new line, indented as the block asks."""
    buffer = event.current_buffer
    line = buffer.document.current_line_before_cursor
    indent = line[: len(line) - len(line.lstrip())]
    deeper = INDENT if line.rstrip().endswith(":") else ""
    buffer.insert_text("\n" + indent + deeper)


def banner() -> str:
    """Return the first line; torch is not imported to learn its version."""
    try:
        torch = f"torch {metadata.version('torch')}"
    except metadata.PackageNotFoundError:
        torch = "no torch"
    python = platform.python_version()
    return f"gradrepl {__version__}  {torch}  python {python}   ? help, q quit"


def toolbar(talk: Conversation) -> str:
    """Return the bottom line: 'PAUSED bw 3/11 | train.py:27'."""
    ready, stop = talk.ready, talk.stop
    if talk.gone is not None:
        return f"GONE | {talk.gone.how}"
    if not talk.stopped or stop is None:
        return f"READY | {f'torch {ready.torch} {ready.device}' if ready else 'torch is loading'}"
    what = stop.phase
    if stop.node is not None:
        what = f"bw {stop.position}" + (f"/{stop.total}" if stop.total else "")
    elif stop.op is not None:
        what = f"fw op {stop.op.id}"
    return f"PAUSED {what}" + (f" | {stop.site.place}" if stop.site else "")


class SharedHistory(PromptHistory):
    """prompt_toolkit's view of the history file."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._kept = history

    def load_history_strings(self) -> Iterable[str]:
        """Return the entries, newest first."""
        return reversed(self._kept.load())

    def store_string(self, string: str) -> None:
        """Add one entry."""
        self._kept.append(string)


class TalkCompleter(Completer):
    """Asks the conversation."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Return nothing: asking needs to wait."""
        return ()

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Yield what can stand for the unfinished word."""
        text = document.text_before_cursor
        for word in await self._talk.complete(text):
            yield Completion(word, start_position=-len(fragment(text)))
