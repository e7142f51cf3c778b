"""The table of commands: one decorated function is a whole command.

Its name and aliases, where it is possible and its key come from the decorator, its help from the
docstring, its arguments and their completion from the annotations. Prompt, palette, footer, help
and README read the same table. A command gets the conversation and its parsed arguments, and
returns a record or nothing; it never makes text of its own.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import re
import warnings
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from gradrepl.conditions import outside
from gradrepl.errors import PluginError, UsageError

FORWARD, BACKWARD, EXCEPTION, IDLE = "forward", "backward", "exception", "idle"
RUNNING, GONE = "running", "gone"
STOPPED = (FORWARD, BACKWARD)
WAITING = (IDLE, *STOPPED, EXCEPTION)
PROMPTS = {
    IDLE: ">>> ",
    FORWARD: "(grad) ",
    BACKWARD: "(grad:bw) ",
    EXCEPTION: "(grad:pm) ",
    GONE: "(gone) ",
    RUNNING: "",
}
"""What a prompt says, by the conversation's state."""
ANY = (*WAITING, RUNNING, GONE)


class Argument(msgspec.Struct, frozen=True):
    """What one argument is: how it is written, read and completed."""

    metavar: str
    """How it is written; '' for one that is read only to be refused."""
    complete: str = ""
    """'python', 'path', 'condition', 'command', 'breakpoint', 'display', or nothing."""
    rest: bool = False
    """Takes all of the line that is left, not one word."""
    read: Callable[[str], Any] = str
    optional: bool = False
    """Set from the function: it has a default."""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_number(word) for word in text.replace(",", " ").split())


def _number(text: str) -> int:
    try:
        return int(text.lstrip("#%"))
    except ValueError:
        raise UsageError(f"'{text}' is not a number.") from None


Count = Annotated[int, Argument("COUNT", read=_number)]
Number = Annotated[int, Argument("N", read=_number)]
BreakpointId = Annotated[int, Argument("N", complete="breakpoint", read=_number)]
BreakpointIds = Annotated[
    tuple[int, ...], Argument("N...", complete="breakpoint", rest=True, read=_numbers)
]
Expression = Annotated[str, Argument("EXPR", complete="python", rest=True)]
Statement = Annotated[str, Argument("COUNT|STATEMENT", complete="python", rest=True)]
ConditionText = Annotated[str, Argument("CONDITION", complete="condition", rest=True)]
Place = Annotated[str, Argument("LINE|#N|CONDITION", complete="condition", rest=True)]
Word = Annotated[str, Argument("WORD", complete="command")]
Path = Annotated[str, Argument("FILE", complete="path")]
Words = Annotated[str, Argument("ARGS", complete="path", rest=True)]
Block = Annotated[str, Argument("LINES", rest=True)]


class Press(msgspec.Struct, frozen=True):
    """A key that does a command in the panes of the screen."""

    keys: str
    """'s,f11': one, or several for the same."""
    help: str
    """What it does, in fewer words than the command's summary."""
    begins: bool = False
    """It begins the line even where no argument is needed: one mostly follows."""
    page: str = ""
    """The one page ('data') that it is a key of; there it comes before a general one."""
    foot: str = ""
    """How the footer of that page calls it."""


class Command(msgspec.Struct, frozen=True):
    """One command, whole."""

    name: str
    aliases: tuple[str, ...]
    group: str
    states: tuple[str, ...]
    key: Press | None
    repeats: bool
    """An empty line runs it again."""
    takes_block: bool
    """More lines follow, up to one that says 'end'."""
    parts: tuple[str, ...]
    """Those of its aliases that ask for a part of it: its arguments begin with them, 'grad: x'."""
    help: str
    arguments: tuple[Argument, ...]
    function: Callable[..., Any]

    @property
    def summary(self) -> str:
        """The first line of its help."""
        return self.help.partition("\n")[0]

    @property
    def words(self) -> tuple[str, ...]:
        """Its name and its aliases."""
        return (self.name, *self.aliases)

    @property
    def begins(self) -> bool:
        """Does its key begin the line, which the user completes?"""
        needs = any(not argument.optional for argument in self.arguments)
        return needs or (self.key is not None and self.key.begins)

    @property
    def usage(self) -> str:
        """How it is written: 'ignore N [COUNT]'."""
        named = [argument for argument in self.arguments if argument.metavar]
        shown = [f"[{each.metavar}]" if each.optional else each.metavar for each in named]
        return " ".join([self.name, *shown])

    def parse(self, text: str) -> list[Any]:
        """Return the values of the arguments that ``text`` spells.

        Raises:
            UsageError: one is missing, too many, or not what it should be.
        """
        values, write = [], f"Write: {self.usage}"
        for argument in self.arguments:
            text = text.strip()
            if not text:
                if argument.optional:
                    break
                raise UsageError(f"'{self.name}' needs {argument.metavar}.", write)
            piece, text = (text, "") if argument.rest else [*text.split(None, 1), ""][:2]
            try:
                values.append(argument.read(piece))
            except UsageError as error:
                raise type(error)(str(error), error.hint or write) from None
        if rest := text.strip():
            raise UsageError(f"'{self.name}' does not know what to do with '{rest}'.", write)
        return values


GROUPS = (
    "Stepping",
    "Looking",
    "Memory",
    "Modules",
    "Chain rule",
    "Breakpoints",
    "Health",
    "Data",
    "Session",
)
"""The order in which help, palette and README list the commands."""

COMMANDS: dict[str, Command] = {}
"""By name."""
WORDS: dict[str, Command] = {}
"""By name and by alias."""
_OF: dict[str, list[str]] = {}
"""By plugin: the names of its commands."""


def command(
    name: str,
    *aliases: str,
    group: str,
    states: tuple[str, ...] = WAITING,
    key: Press | None = None,
    repeats: bool = False,
    takes_block: bool = False,
    parts: tuple[str, ...] = (),
) -> Callable[[Callable[..., Awaitable[Any]]], Callable[..., Awaitable[Any]]]:
    """Make a function a command: ``function.command``, which :func:`enter` puts into the table."""

    def make(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        about = inspect.getdoc(function) or "", _arguments(function), function
        made = Command(name, aliases, group, states, key, repeats, takes_block, parts, *about)
        function.command = made  # type: ignore[attr-defined]
        return function

    return make


def enter(made: Command, plugin: str = "") -> None:
    """Put a command into the table, on behalf of ``plugin`` if that brings it.

    Raises:
        PluginError: one of its words is another command's.
    """
    for word in made.words:
        if word in WORDS:
            raise PluginError(f"there is a command '{word}'.")
    COMMANDS[made.name] = made
    WORDS.update(dict.fromkeys(made.words, made))
    if plugin:
        _OF.setdefault(plugin, []).append(made.name)


def leave(plugin: str) -> None:
    """Take the commands of a plugin out of the table."""
    for name in _OF.pop(plugin, []):
        made = COMMANDS.pop(name)
        for word in made.words:
            if WORDS.get(word) is made:
                del WORDS[word]


def enter_all(*modules: ModuleType) -> None:
    """Put the commands of our modules into the table, group after group."""
    commands = []
    for module in modules:
        for each in vars(module).values():
            made = getattr(each, "command", None)
            if isinstance(made, Command) and each.__module__ == module.__name__:
                commands.append(made)
    for made in sorted(commands, key=lambda made: GROUPS.index(made.group)):
        enter(made)


def _arguments(function: Callable[..., Any]) -> tuple[Argument, ...]:
    hints = get_type_hints(function, include_extras=True)
    _, *parameters = inspect.signature(function).parameters.values()
    arguments = []
    for parameter in parameters:
        hint = hints[parameter.name]
        assert get_origin(hint) is Annotated, f"{function} must annotate {parameter.name}"
        argument: Argument = get_args(hint)[1]
        optional = parameter.default is not parameter.empty
        arguments.append(msgspec.structs.replace(argument, optional=optional))
    return tuple(arguments)


def by_group() -> dict[str, list[Command]]:
    """Return all commands as they are listed; groups that a plugin made come last."""
    groups: dict[str, list[Command]] = {group: [] for group in GROUPS}
    for each in COMMANDS.values():
        groups.setdefault(each.group, []).append(each)
    return groups


def nearest(word: str, among: list[str] | None = None) -> str:
    """Return the known word most like ``word``, or nothing."""
    close = difflib.get_close_matches(word, among or list(WORDS), n=1, cutoff=0.7)
    return close[0] if close else ""


def find(word: str, rest: str) -> tuple[Command, str]:
    """Return the command that a line begins with, and the text of its arguments.

    A command may have a name of two words, 'epoch run', beside one of the first word alone.

    Raises:
        UsageError: there is none; the hint has the nearest.
    """
    second, _, more = rest.partition(" ")
    if two := WORDS.get(f"{word} {second}"):
        return two, more
    if word not in WORDS:
        raise unknown(word)
    command = WORDS[word]
    return command, f"{word}: {rest}" if word in command.parts else rest


def unknown(word: str, what: str = "there is no command") -> UsageError:
    """Return the refusal of a word that is no command, with the nearest that is."""
    like = nearest(word)
    hint = f"Did you mean ':{like}'?" if like else "':help' lists all commands."
    return UsageError(f"{what} '{word}'.", hint)


_FIRST = re.compile(r"[A-Za-z_]\w*")


def split_word(text: str) -> tuple[str, str]:
    """Split a line into its first word, if it stands like a command's, and the rest.

    ``step 3`` gives ('step', '3'). ``s(3)``, ``s.x``, ``s = 3`` and ``s += 1`` are Python and give
    no word.
    """
    first = _FIRST.match(text)
    if not first:
        return "", text
    word, rest = first[0], text[first.end() :]
    if rest and not rest[0].isspace():
        return "", text
    rest = rest.strip()
    if re.match(r"=(?!=)|([-+*/%@&|^]|//|\*\*|<<|>>)=", rest):
        return "", text
    return word, rest


# -- typed text as Python expressions --------------------------------------------------------------


def is_expression(text: str) -> bool:
    """Is ``text`` an expression, or a node or a name at a stop: '#7', '$gin'?

    >>> [is_expression(each) for each in ("f(x)[0]", "#7", "x y", "x = 1")]
    [True, True, False, False]
    """
    if "#" in outside(text.strip())[1:]:
        return False  # a comment
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(re.sub(r"^[#$](?=\w)", "_", text.strip()), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def expressions(text: str) -> tuple[str, ...]:
    """Split a line into expressions: at commas, else at blanks, outside of brackets.

    >>> expressions("x, f(a, b)"), expressions("a + b x[0, 1]")
    (('x', 'f(a, b)'), ('a + b', 'x[0, 1]'))

    Raises:
        UsageError: a part is not an expression.
    """
    commas = [match.start() for match in re.finditer(",", outside(text))]
    edges = zip([0, *(at + 1 for at in commas)], [*commas, len(text)], strict=True)
    parts = [text[start:end].strip() for start, end in edges]
    parts = [part for part in parts if part] if commas else _apart(text.strip())
    for part in parts:
        if not is_expression(part):
            raise UsageError(f"'{part}' is not an expression.", "Write: x, or: x y, or: x, f(y)")
    return tuple(parts)


def _apart(text: str) -> list[str]:
    """Split at blanks, so that each part is as long as an expression can be."""
    parts = []
    while text:
        ends = [*(match.start() for match in re.finditer(r"\s+", outside(text))), len(text)]
        end = next((end for end in reversed(ends) if is_expression(text[:end])), ends[0])
        parts.append(text[:end])
        text = text[end:].lstrip()
    return parts
