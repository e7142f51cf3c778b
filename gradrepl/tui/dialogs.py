"""The screens over the screen: keys and commands, and a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.tui import keys
from gradrepl.tui.help import About
from gradrepl.tui.key import Key
from gradrepl.tui.panels.bars import Footer
from gradrepl.tui.panels.base import Paper
from gradrepl.tui.views import VIEWS

Rows = Sequence[tuple[str, str]]


def foot(state: str) -> Footer:
    """Return a footer of its own for a dialog."""
    footer = Footer("dialog-footer")
    footer.feet = keys.FEET[state]
    return footer


def key_tables() -> list[tuple[str, Rows]]:
    """Return the keys by group, as the help shows them."""
    groups: dict[str, Sequence[Key]] = {
        **keys.table(),
        **{f"On {view.digit} {view.title}": view.keys for view in VIEWS if view.keys},
    }
    tables: list[tuple[str, Rows]] = [
        (title, [(key.shown, key.help) for key in group]) for title, group in groups.items()
    ]
    return [*tables, ("While typing", keys.TYPING)]


def command_tables() -> list[tuple[str, Rows]]:
    """Return the commands by group, as the help shows them."""
    from gradrepl.commands.table import COMMANDS

    groups: dict[str, list[tuple[str, str]]] = {}
    for command in COMMANDS.values():
        names = "  ".join(filter(None, (command.usage, " ".join(command.aliases))))
        groups.setdefault(command.group.capitalize(), []).append((names, command.summary))
    return list(groups.items())


def draw_table(title: str, rows: Rows, width: int, column: int) -> list[Line]:
    """Return a table of two columns."""
    lines: list[Line] = [[(title, "title")]]
    for left, right in rows:
        head: Line = [("  ", ""), span(ink.pad(ink.clip(left, column - 1), column), "key")]
        for part in ink.wrap([span(right)], max(8, width - column - 2)):
            lines.append(ink.fit([*head, *part], width))
            head = [(" " * (column + 2), "")]
    return lines


def draw_about(about: About, width: int) -> list[Line]:
    """Return what the focused pane shows, and its keys, side by side where there is room."""
    lines: list[Line] = [[(about.name, "here")]]
    lines += ink.wrap([(about.text, "")], min(width, 100))
    lines.append([])
    cells, column = (width - 3) // 2 if width >= 110 else width, 13
    table = draw_table(f"Keys of {about.name}", about.keys, cells, column)
    if cells == width:
        return [*lines, *table, []]
    half = (len(table) + 1) // 2
    return [*lines, *_beside(table[:half], table[half:], cells + 3), []]


def _beside(left: list[Line], right: list[Line], column: int) -> list[Line]:
    """Return two columns, the second one from cell ``column`` on."""
    rows = max(len(left), len(right))
    left = [*left, *([] for _ in range(rows - len(left)))]
    right = [*right, *([] for _ in range(rows - len(right)))]
    pairs = zip(left, right, strict=True)
    return [[*a, (" " * (column - ink.width(a)), ""), *b] for a, b in pairs]


def draw_help(width: int, about: About) -> list[Line]:
    """Return the whole help: the pane, keys, then commands; two columns where there is room."""
    first = draw_about(about, width)
    tables = [(title, rows, 13) for title, rows in key_tables()]
    tables += [
        (f":{title}" if title.islower() else title, rows, 24) for title, rows in command_tables()
    ]
    if width < 110:
        lines = [line for table in tables for line in (*_one(table, width), [])]
        return [*first, *_intro(width), *lines[:-1]]
    half = (width - 3) // 2
    left, right = list[Line](), list[Line]()
    for table in tables:
        shorter = left if len(left) <= len(right) else right
        shorter += [*_one(table, half), []]
    return [*first, *_intro(width), *_beside(left, right, half + 3)]


def _one(table: tuple[str, Rows, int], width: int) -> list[Line]:
    title, rows, column = table
    return draw_table(title, rows, width, column)


def _intro(width: int) -> list[Line]:
    text = (
        "In the panes letters are keys; i or : begins typing, Esc ends it. At a stop a first word "
        "that is a command is one, unless it is a name here; :word is always a command, !text is "
        "always Python. Every key can be typed as :word, every command is in the palette (^p)."
    )
    return [*ink.wrap([(text, "dim")], width), []]


class Help(ModalScreen[None]):
    """The focused pane, then all keys and commands."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "Close", show=False, id="help.close"),
        Binding("j", "page(1)", "Down", show=False, id="help.down"),
        Binding("k", "page(-1)", "Up", show=False, id="help.up"),
    ]

    def __init__(self, about: About) -> None:
        super().__init__()
        self.paper = HelpPaper("help", about)

    def compose(self) -> ComposeResult:
        """One paper, and the keys that matter here."""
        yield self.paper
        yield foot("help")

    def on_mount(self) -> None:
        """Take the keys."""
        self.paper.focus()

    def action_page(self, by: int) -> None:
        """Scroll."""
        self.paper.scroll_relative(y=by, animate=False)


class HelpPaper(Paper):
    """The help, drawn for its width."""

    NAME: ClassVar[str] = "Help"

    def __init__(self, id: str, about: About) -> None:
        super().__init__(id=id)
        self.about = about

    def resized(self) -> None:
        """Draw for this width."""
        self.caption("Keys and commands", "esc closes")
        self.write(draw_help(self.room, self.about))


class Ask(ModalScreen[bool]):
    """A question that is answered with y or n."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Yes", show=False, id="ask.yes"),
        Binding("n,escape,q", "answer(False)", "No", show=False, id="ask.no"),
    ]

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self.question, self.yes = question, yes

    def compose(self) -> ComposeResult:
        """The question, and its answers."""
        yield foot("asked")
        with Vertical(id="question"):
            yield Static(Content(self.question))
            answers = (("y", "bold"), f" {self.yes}    ", ("n", "bold"), " go on")
            yield Static(Content.assemble(*answers), id="answers")

    def action_answer(self, answer: bool) -> None:
        """Give the answer."""
        self.dismiss(answer)
