"""The table of exporters, and which of them is meant."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, TextIO

import msgspec

from gradrepl import plugins
from gradrepl.errors import StateError, UsageError

GRAPH, PASS, OPS, TIME, SCREEN = "graph", "pass", "ops", "time", "screen"
SUBJECTS = {
    GRAPH: "the graph of EXPR, of this backward, or of the last recorded one",
    PASS: "this backward, or the last recorded one, node by node",
    OPS: "the recorded ops of the forward",
    TIME: "when ops and nodes of recorded backwards ran (':record on' before)",
    SCREEN: "the screen as it is",
}
"""What a file may show."""

Function = Callable[[Any, TextIO], str | None]


class Exporter(msgspec.Struct, frozen=True):
    """One kind of file."""

    name: str
    of: str
    """What it shows: a word of ``SUBJECTS``."""
    suffixes: tuple[str, ...]
    help: str
    function: Function
    most: int = 0
    """Nodes that it can show without folding them by module; 0: any number."""
    plugin: str = ""
    """The plugin that brought it; '' for our own."""


EXPORTERS: list[Exporter] = []
"""All of them; of two with the same suffix the first is meant where nothing else is said."""

_OURS = ("tables", "screen")
_asked: set[str] = set()
"""The plugins whose exporters have been taken in; '' stands for our own."""


def exporter(
    name: str, *, of: str, suffix: str | tuple[str, ...], help: str, most: int = 0
) -> Callable[[Function], Function]:
    """Make a function an exporter: ``function.exporter``, which :func:`enter` puts into the table.

    ``of`` is a word of ``SUBJECTS``; a graph of more than ``most`` nodes is refused where nothing
    is known of its modules.
    """

    def make(function: Function) -> Function:
        suffixes = (suffix,) if isinstance(suffix, str) else suffix
        made = Exporter(name, of, suffixes, help, function, most)
        function.exporter = made  # type: ignore[attr-defined]
        return function

    return make


def enter(made: Exporter, plugin: str = "") -> None:
    """Put an exporter into the table, on behalf of ``plugin`` if that brings it.

    One of the same name and subject that is there already makes room for it.
    """
    made = msgspec.structs.replace(made, plugin=plugin)
    for place, each in enumerate(EXPORTERS):
        if (each.name, each.of) == (made.name, made.of):
            EXPORTERS[place] = made
            return
    EXPORTERS.append(made)


def leave(plugin: str) -> None:
    """Take the exporters of a plugin out of the table."""
    EXPORTERS[:] = [each for each in EXPORTERS if each.plugin != plugin or not plugin]


def load() -> list[Exporter]:
    """Return all exporters, in the order of ``SUBJECTS``; of one subject our own come first.

    They are imported, and those of plugins asked for, when they are first needed.
    """
    if "" not in _asked:
        brought, EXPORTERS[:] = list(EXPORTERS), []
        for name in _OURS:
            for value in list(vars(import_module(f"gradrepl.export.{name}")).values()):
                made = getattr(value, "exporter", None)
                if isinstance(made, Exporter):
                    enter(made)
        EXPORTERS.extend(brought)
    new = {"", *plugins.here().rows} - _asked
    _asked.update(new)
    for name, function in plugins.here().flat("gradrepl_exporters") if new else ():
        if name in new:
            enter(function.exporter, name)
    order = list(SUBJECTS)
    EXPORTERS.sort(key=lambda each: order.index(each.of))
    return EXPORTERS


def words() -> list[str]:
    """Return the words that may stand for a kind: what it shows, and its own name."""
    found = [each.of for each in load()] + [each.name for each in EXPORTERS]
    return list(dict.fromkeys(found))


def too_many(total: int, name: str, recorded: bool) -> StateError:
    """Return the refusal of a picture that nobody could read."""
    why = "too few modules" if recorded else "no recorded ops that tell their modules"
    hint = "" if recorded else "After ':record on' the next forward is recorded. "
    return StateError(
        f"{total:,} nodes are too many for {name}, and there are {why} to fold them by.",
        f"{hint}.dot, .json and .csv take graphs of any size.",
    )


def choose(kinds: list[str], path: str) -> Exporter:
    """Return the exporter that ``kinds`` and the suffix of ``path`` mean.

    Raises:
        UsageError: there is none, or there are several.
    """
    left = list(load())
    for kind in kinds:
        left = [each for each in left if kind in (each.name, each.of)]
    stem, suffix = os.path.splitext(os.path.basename(path).lower())
    if not kinds and stem in SUBJECTS:  # ops.csv
        named = [each for each in left if each.of == stem and suffix in each.suffixes]
        left = named or left
    fitting = [each for each in left if suffix in each.suffixes]
    if fitting:
        return fitting[0]
    if not left:
        raise UsageError(
            f"there is no '{kinds[-1]}' of '{kinds[0]}' to export.", "':export' lists the kinds."
        )
    if any(kind in {each.name for each in left} for kind in kinds) or (kinds and len(left) == 1):
        return left[0]
    endings = ", ".join(dict.fromkeys(each.suffixes[0] for each in left))
    if not suffix:
        raise UsageError(
            f"'{path}' does not say what kind of file it is to be.", f"Give it an ending: {endings}"
        )
    close = difflib.get_close_matches(suffix, [s for e in left for s in e.suffixes], n=1)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    raise UsageError(
        f"no kind of file ends with '{suffix}'.", f"{hint}':export' lists the kinds: {endings}"
    )
