"""Modules, Functions and graphs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gradrepl import model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.ink import Line, Row
from gradrepl.draw.numbers import count, dtype, number, shape, size
from gradrepl.draw.tables import Cell, Fact, facts, more, table, window
from gradrepl.draw.tensors import owner, saved_value, yes

ABOUT = 48
"""Cells of what a module says of itself."""
ROOM = 24
"""Lines up to which a narrow tree lists all parameters; beyond, only those of the module here."""
GRADS = {"none": "no grad", "zero": "grad 0", "": ""}
"""States of a gradient, in a word or two."""
RAN = {"ran": ("✓", "done"), "no op yet": ("·", "ahead")}


# -- the tree ------------------------------------------------------------------------------------


@drawing.register
def _(record: model.Modules, look: Look) -> Iterable[Line]:
    yield from table([row for module in record.rows for row in _rows(module)])
    if record.first or record.first + len(record.rows) < record.total:
        yield window(record.first, len(record.rows), record.total, "modules")
    yield from ([ink.span(text)] for text in _notes(record))


def _rows(row: model.ModuleRow) -> Iterator[tuple[Cell, ...]]:
    """Yield the lines of a module: its own, its hooks', and those of what it keeps."""
    inside = "  " * (row.depth + 1)
    about = ink.clip(f"{row.kind}({row.about})", ABOUT) if row.about else row.kind
    name = ("  " * row.depth + (row.name or row.path), "module")
    remarks = _remarks(
        "" if row.training else "eval",
        row.ran if row.ran == "no op yet" else "",
        f"{count(row.hidden, 'module')} folded" if row.hidden else "",
        f"the same module as {row.same_as}" if row.same_as else "",
    )
    yield name, about, f"{row.total:,}" if row.total else "", grad(row.grad), remarks
    yield from (
        (f"{inside}{hook.kind}", owner(hook), "", "", "") for hook in row.hooks if not hook.ours
    )
    for each in row.parameters:
        yield (inside + each.name, "leaf"), _kind(each), _elements(each), _norm(each), _kept(each)


def _elements(row: model.ParameterRow) -> str:
    return f"{row.count:,}" if row.first and not row.buffer else ""


def _norm(row: model.ParameterRow) -> Cell:
    """Return the state of a parameter's gradient, and its norm."""
    state, role = grad(row.grad)
    known = row.norm is not None and row.grad == "ok"
    return f"{state}  |g| {number(row.norm)}" if known else state, role


def _kind(row: model.ParameterRow) -> str:
    return f"{shape(row.shape)} {dtype(row.dtype)}"


def grad(state: str) -> ink.Span:
    """Return the state of a gradient; one with nan or inf stands out."""
    return GRADS.get(state, f"grad {state}"), "bad" if state in ("nan", "inf") else "dim"


def _remarks(*texts: str) -> Cell:
    return ink.listed(*texts), "warn"


def _kept(row: model.ParameterRow) -> Cell:
    if row.buffer:
        return "buffer" if row.persistent else "buffer, not in the state_dict"
    return _remarks(
        "" if row.requires_grad else "frozen",
        f"tied to {', '.join(row.tied)}" if row.tied else "",
        "in no optimizer" if row.optimized == "no" and row.requires_grad else "",
    )


def _notes(record: model.Modules) -> Iterator[str]:
    """Yield what is to be said below the tree."""
    frozen = record.parameters - record.trainable
    rest = f", {frozen:,} of them frozen" if frozen else ""
    yield f"{count(record.parameters, 'parameter')} in {count(record.tensors, 'tensor')}{rest}"
    names = ", ".join(record.optimizers)
    if record.missed_total:
        beyond = f" and {record.missed_total - 8} more" if record.missed_total > 8 else ""
        yield f"not in {names}: {', '.join(record.missed[:8])}{beyond}"
    if record.unknown:
        yield f"{names} has {count(record.unknown, 'tensor')} that nothing in scope has"
    for each in record.strays:
        lost = ", in no optimizer" if each.optimized == "no" else ""
        yield f"{each.name} {each.shape} is in no module: {each.why}{lost}"
    if not record.recorded:
        yield "which modules have run is not known: no op of theirs was recorded"


def tree(record: model.Modules, here: str, width: int) -> list[Line]:
    """Return modules with their parameters in a narrow column; ``here`` is where we stand."""
    every = sum(1 + len(row.parameters) for row in record.rows) <= ROOM
    lines: list[Line] = []
    for row in record.rows:
        lines.append(_narrow(row, here, width))
        shown = row.parameters if every or row.path == here else ()
        lines += [_narrow_parameter(each, row.depth, width) for each in shown]
    lines += more(len(record.rows), record.total, lead="   ")
    if record.missed_total:
        lines.append(ink.fit([(f" ! {record.missed_total} in no optimizer", "warn")], width))
    return lines


def mark(path: str, here: str, otherwise: ink.Span) -> ink.Span:
    """Return the mark of a module: the one where we stand, one around it, or another."""
    if path == here:
        return "●", "here"
    return ("▼", "here") if here.startswith(path + ".") else otherwise


def _narrow(row: model.ModuleRow, here: str, width: int) -> Line:
    glyph, role = mark(row.path, here, RAN.get(row.ran, (" ", "")))
    left: Line = [
        (f" {glyph} {'  ' * row.depth}", role),
        ink.span(row.name, "here" if row.path == here else "module"),
        ink.span(f" {row.kind}", "dim"),
    ]
    left += [ink.span(f" = {row.same_as}", "warn")] if row.same_as else []
    left += [] if row.training else [(" eval", "warn")]
    end: Line = [(f"{row.total:,}", "dim")] if row.total and not row.same_as else []
    return ink.between(left, end, width)


def _narrow_parameter(each: model.ParameterRow, depth: int, width: int) -> Line:
    left: Line = [("   " + "  " * (depth + 1), ""), ink.span(each.name, "leaf")]
    left += [(f" {shape(each.shape)}", "dim")]
    left += [ink.span(f" = {each.tied[0]}", "warn")] if each.tied else []
    left += [(" no optimizer", "warn")] if each.optimized == "no" else []
    kind = "buffer" if each.buffer else "" if each.requires_grad else "frozen"
    return ink.between(left, [(kind, "dim")] if kind else [grad(each.grad)], width)


# -- Functions -----------------------------------------------------------------------------------


@drawing.register
def _(record: model.FunctionInfo, look: Look) -> Iterable[Line]:
    yield from facts(_function(record))
    if record.module_class:
        title = f"{record.module or record.module_class} is a Module: it keeps weights"
        yield [ink.span(title, "title")]
        kept = [((p.name, "leaf"), _kind(p), grad(p.grad), _kept(p)) for p in record.parameters]
        yield from table(kept, none="  no parameters, no buffers")
    if record.nodes:
        yield [("its call made these Functions: they keep none", "title")]
        yield from table(list(map(_function_node, record.nodes)))
    for title, text in (("forward", record.forward_source), ("backward", record.backward_source)):
        if text:
            yield [(title, "title")]
            yield from (Row([ink.span(f"  {line}", "code")]) for line in text.split("\n"))


def _function(record: model.FunctionInfo) -> Iterator[Fact]:
    what = "a Function of your own" if record.custom else "a Function of torch's"
    label = record.label if record.label != record.of else ""
    yield "function", ink.join(record.name, f"of {record.of}", label)
    yield "kind", ink.listed(what, record.kind)
    yield "number", "" if record.sequence is None else str(record.sequence)
    yield "defined", record.source_site.place if record.source_site else ""
    for saved in record.saved:
        if "_sym_" not in saved.name:  # sizes that torch keeps in case they are symbols
            yield f"saved {saved.name}", saved_value(saved)
    for name, value in record.attributes:
        yield f"ctx.{name}", value
    needs = (f"{at}: {yes(need)}" for at, need in enumerate(record.needs_input_grad))
    yield "needs_input_grad", "  ".join(needs)


def _function_node(row: model.NodeRow) -> tuple[str, ...]:
    op = "" if row.op is None else f"%{row.op} {row.op_name}"
    place = row.site.place if row.site else ""
    return row.name, row.label, op, place, _saved_bytes(row.saved_nbytes)


def _saved_bytes(nbytes: int | None) -> str:
    return f"saved {size(nbytes)}" if nbytes else ""


# -- graphs --------------------------------------------------------------------------------------


@drawing.register
def _(record: model.GraphView, look: Look) -> Iterable[Line]:
    here = next((at for at, row in enumerate(record.rows) if row.state == "here"), None)
    yield from table([_node(row) for row in record.rows], here=here)
    shown, total = len(record.rows), record.total
    what = f"rows with '{record.pattern}'" if record.pattern else "rows"
    if total is None:
        text = f"{record.first + 1}-{record.first + shown} of many {what}"
        yield [ink.span(text, "dim")]
    elif shown < total or record.pattern:
        yield window(record.first, shown, total, what)
    yield [ink.span(_graph(record), "dim")]
    if not record.recorded:
        yield [("its forward was not recorded: modules and lines are not known", "dim")]


def _node(row: model.NodeRow) -> tuple[Cell, ...]:
    label = f"{row.label}  ({count(row.nodes, 'node')})" if row.folded else row.label
    # What it saved and in which version, without shapes.
    saved = ", ".join(re.sub(r" \(.*?\)", "", each) for each in row.saved)
    norm = "" if row.norm is None else f"|g| {number(row.norm)}"
    state = {"stale": "stale: changed in place", "predicted": ""}.get(row.state, row.state)
    return (
        (row.lanes, "dim"),
        (f"#{row.id}", "dim"),
        (row.name, "name"),
        (label, "leaf" if row.leaf else "module"),
        "" if row.op is None else f"%{row.op}",
        (row.site.place if row.site else "", "dim"),
        (norm, "number"),
        ink.listed(_saved_bytes(row.saved_nbytes), saved, gap=": "),
        (state, "bad" if row.state == "stale" else "dim"),
    )


def _graph(record: model.GraphView) -> str:
    root = f" of {record.root}" if record.root else ""
    leaves = f" and {count(record.leaves, 'leaf', 'leaves')}" if record.leaves else ""
    edges = count(record.edges, "edge")
    saved = "" if record.saved_nbytes is None else f", {size(record.saved_nbytes)} saved"
    depth = "" if record.depth is None else f", modules folded at depth {record.depth}"
    return f"graph{root}: {count(record.nodes, 'node')}{leaves}, {edges}{saved}{depth}"
