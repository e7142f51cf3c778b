"""The screens over the screen: keys and commands, the palette (Ctrl+P), and a question."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from gradrepl.draw import ink
from gradrepl.draw.ink import Line, span
from gradrepl.tui import keys, views
from gradrepl.tui.keys import Foot
from gradrepl.tui.panels.bars import dialog_foot
from gradrepl.tui.panels.base import Drawing
from gradrepl.tui.views import BY_NAME, VIEWS

if TYPE_CHECKING:
    from gradrepl.commands.registry import Command
    from gradrepl.tui.panes import Panes

Rows = Sequence[tuple[str, str]]
MORE = {"open_here": "Details of the selected row, in full height"}
"""Actions of the footer that are in no table of keys."""


# -- help --------------------------------------------------------------------------------------


class About(NamedTuple):
    """The pane that has the focus."""

    name: str
    text: str
    keys: Sequence[tuple[str, str]]


def about(main: Panes, mode: str) -> About:
    """Return what the focused pane is, and its keys."""
    pane = main.dock.transcript if main.dock.typing else main.pane()
    view = BY_NAME[main.view]
    rows = dict(keys.TYPING if main.dock.typing else _footed(views.feet_of(mode)))
    if not main.dock.typing:
        rows |= {key.shown: key.help for key in view.keys if key.help not in rows.values()}
        rows |= {"tab": "The next pane", "m": "Maximise this pane", "y": "Copy its text"}
    text = pane.HELP or f"{view.help}."
    return About(pane.NAME or view.title, text, list(rows.items()))


def _footed(feet: Sequence[Foot]) -> Iterator[tuple[str, str]]:
    """Yield key and meaning of each entry of the footer, taken apart where it names several."""
    for foot in feet:
        if len(foot.ids) > 1:
            yield from ((key.shown, key.help) for key in foot.rows)
        else:
            yield foot.shown, foot.rows[0].help if foot.ids else MORE.get(foot.does, foot.label)


def key_tables() -> list[tuple[str, Rows]]:
    """Return the keys by group, as the help shows them."""
    groups = views.table()
    groups |= {f"On {view.digit} {view.title}": [*view.keys] for view in VIEWS if view.keys}
    tables: list[tuple[str, Rows]] = [
        (title, [(key.shown, key.help) for key in group]) for title, group in groups.items()
    ]
    return [*tables, ("While typing", keys.TYPING)]


def command_tables() -> list[tuple[str, Rows]]:
    """Return the commands by group, as the help shows them."""
    from gradrepl.commands.registry import by_group

    def written(command: Command) -> str:
        return "  ".join(filter(None, (command.usage, " ".join(command.aliases))))

    return [
        (group.capitalize(), [(written(each), each.summary) for each in commands])
        for group, commands in by_group().items()
    ]


def draw_table(title: str, rows: Rows, column: int, width: int) -> list[Line]:
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
    cells = (width - 3) // 2 if width >= 110 else width
    table = draw_table(f"Keys of {about.name}", about.keys, 13, cells)
    if cells == width:
        return [*lines, *table, []]
    half = (len(table) + 1) // 2
    return [*lines, *ink.beside(table[:half], table[half:], cells + 3), []]


def draw_help(width: int, about: About) -> list[Line]:
    """Return the whole help: the pane, keys, then commands; two columns where there is room."""
    first = [*draw_about(about, width), *_intro(width)]
    tables = [(title, rows, 13) for title, rows in key_tables()]
    tables += [
        (f":{title}" if title.islower() else title, rows, 24) for title, rows in command_tables()
    ]
    if width < 110:
        lines = [line for each in tables for line in (*draw_table(*each, width), [])]
        return [*first, *lines[:-1]]
    half = (width - 3) // 2
    left, right = list[Line](), list[Line]()
    for each in tables:
        shorter = left if len(left) <= len(right) else right
        shorter += [*draw_table(*each, half), []]
    return [*first, *ink.beside(left, right, half + 3)]


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
        yield dialog_foot("help")

    def on_mount(self) -> None:
        """Take the keys."""
        self.paper.focus()

    def action_page(self, by: int) -> None:
        """Scroll."""
        self.paper.scroll_relative(y=by, animate=False)


class HelpPaper(Drawing):
    """The help, drawn for its width."""

    NAME: ClassVar[str] = "Help"
    record: About

    def __init__(self, id: str, about: About) -> None:
        super().__init__(id=id)
        self.record = about

    def captions(self) -> tuple[str, str]:
        """Return how to leave it, too."""
        return "Keys and commands", "esc closes"

    def drawn(self) -> list[Line]:
        """Return the help for this width."""
        return draw_help(self.room, self.record)


# -- the palette -----------------------------------------------------------------------------


def offers(app: Any) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Yield name, help and what it does."""
    from gradrepl.commands.table import COMMANDS

    bound = {key.word: key.shown for key in views.everywhere()}
    for command in COMMANDS.values():
        key = bound.get(command.name)
        name = f":{command.usage}" + (f"   [{key}]" if key else "")
        yield name, command.summary, partial(app.run_action, keys.action_of(command))
    for entry in views.of_screen():
        if entry.word not in keys.INSTEAD:
            name = f"{entry.help}   [{entry.shown}]"
            yield name, f":{entry.word}", partial(app.run_action, entry.action)
    for entry in BY_NAME[app.main.view].keys:
        if entry.word not in COMMANDS:
            name = f"{entry.help}   [{entry.shown}]"
            act = partial(app.run_action, entry.action, app.main.page)
            yield name, f"On {app.main.view}: {entry.word}", act
    for theme in app.themes_offered():
        yield f"Theme {theme}", f":theme {theme}", partial(app.run_action, f"theme('{theme}')")


class Everything(Provider):
    """All commands and actions, found by their name or their help."""

    async def discover(self) -> Hits:
        """Yield everything, for the empty line."""
        for name, help, act in offers(self.app):
            yield DiscoveryHit(Content(name), act, text=name, help=_markup_free(help))

    async def search(self, query: str) -> Hits:
        """Yield what matches ``query``."""
        matcher = self.matcher(query)
        for name, help, act in offers(self.app):
            score = max(matcher.match(name), matcher.match(help) * 0.7)
            if score > 0:
                yield Hit(score, Content(name), act, text=name, help=_markup_free(help))


def _markup_free(text: str) -> str:
    """Return ``text`` so that its brackets begin no markup."""
    return text.replace("[", r"\[")


# -- a question ------------------------------------------------------------------------------


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
        yield dialog_foot("asked")
        with Vertical(id="question"):
            yield Static(Content(self.question))
            answers = (("y", "bold"), f" {self.yes}    ", ("n", "bold"), " go on")
            yield Static(Content.assemble(*answers), id="answers")

    def action_answer(self, answer: bool) -> None:
        """Give the answer."""
        self.dismiss(answer)
