"""Files: every kind that can be written is one function, found in one table.

::

    @exporter("edges", of="graph", suffix=".txt", help="one line for each edge")
    def edges(record: Graph, file: TextIO) -> None:
        for node in record.nodes:
            for target in node.to:
                file.write(f"{node.id} {target}\\n")

An exporter gets a record (see ``gradrepl.export.files``) and an open text file; it may return a
sentence that the user should read. It runs in the client's process, in a thread of its own, and
imports no torch. The file appears under its name only when the exporter has returned.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
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
    """The plugin that brought it."""


EXPORTERS: list[Exporter] = []
"""All of them; of two with the same suffix the first is meant where nothing else is said."""

_asked: set[str] = set()
"""The plugins whose exporters have been taken in."""


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


def enter(made: Exporter, plugin: str) -> None:
    """Put an exporter into the table, on behalf of ``plugin``.

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
    EXPORTERS[:] = [each for each in EXPORTERS if each.plugin != plugin]


def load() -> list[Exporter]:
    """Return all exporters, in the order of ``SUBJECTS``; plugins are asked when first needed."""
    new = {*plugins.here().rows} - _asked
    _asked.update(new)
    for name, function in plugins.here().flat("gradrepl_exporters") if new else ():
        if name in new:
            enter(function.exporter, name)
    EXPORTERS.sort(key=lambda each: [*SUBJECTS].index(each.of))
    return EXPORTERS


def words() -> list[str]:
    """Return the words that may stand for a kind: what it shows, and its own name."""
    return list(dict.fromkeys([*(each.of for each in load()), *(each.name for each in EXPORTERS)]))


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
    wanted = set(kinds)
    left = [each for each in load() if wanted <= {each.name, each.of}]
    if not left:
        raise UsageError(
            f"there is no '{kinds[-1]}' of '{kinds[0]}' to export.", "':export' lists the kinds."
        )
    stem, suffix = os.path.splitext(os.path.basename(path).lower())
    fitting = [each for each in left if suffix in each.suffixes]
    if not kinds:
        fitting.sort(key=lambda each: each.of != stem)  # ops.csv
    if fitting:
        return fitting[0]
    if kinds and (len(left) == 1 or wanted & {each.name for each in left}):
        return left[0]
    raise _unknown(path, suffix, left)


def _unknown(path: str, suffix: str, left: list[Exporter]) -> UsageError:
    """Return the refusal of a file whose ending says nothing."""
    endings = ", ".join(dict.fromkeys(each.suffixes[0] for each in left))
    if not suffix:
        return UsageError(
            f"'{path}' does not say what kind of file it is to be.", f"Give it an ending: {endings}"
        )
    close = difflib.get_close_matches(suffix, [s for each in left for s in each.suffixes], n=1)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return UsageError(
        f"no kind of file ends with '{suffix}'.", f"{hint}':export' lists the kinds: {endings}"
    )
