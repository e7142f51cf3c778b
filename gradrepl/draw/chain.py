"""The chain rule: paths, local derivatives, terms of a loss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gradrepl import model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.ink import Line
from gradrepl.draw.numbers import count, number, percent
from gradrepl.draw.tables import more, notes, table
from gradrepl.draw.tensors import brief

DETAILED = 3
"""Paths whose derivatives are shown edge by edge, unless all are asked for."""
STATIONS = 10
"""Nodes of a path that are drawn."""
FACTORS = 12
"""Numbers of a product that are drawn on one line."""
INLINE = 16
"""Numbers of a matrix up to which it stands on one line."""


def _amount(value: model.Amount) -> str:
    """Return a gradient in short: its number, its few values, else shape and norm."""
    if value is None:
        return "none"
    if isinstance(value, (int, float)):
        return number(value)
    return value.values if value.values and len(value.values) <= 60 else brief(value)


def _many(how_many: int | str, what: str) -> str:
    """Return how many there are; a number too large to count stands as its digits."""
    if isinstance(how_many, int):
        return count(how_many, what)
    long = len(how_many) > 30
    digits = f"{how_many[0]}.{how_many[1:4]}e{len(how_many) - 1}" if long else how_many
    return f"{digits} {what}s"


def _sum(record: model.Paths | model.Addends) -> Line:
    """Return the line with the sum, torch's own gradient, and whether they agree."""
    total = f"sum {_amount(record.total)}"
    if record.agrees is None:
        return ink.join(total, ("not compared", "warn"))
    grad = f"autograd.grad {_amount(record.grad)}"
    return ink.join(total, grad, _agrees(record.agrees, record.max_difference))


def _agrees(agrees: bool | None, apart: float | None) -> ink.Span:
    if agrees:
        return "agrees", "good"
    return "DIFFERS" + ("" if apart is None else f" by up to {number(apart)}"), "bad"


# -- paths ---------------------------------------------------------------------------------------


@drawing.register
def _(record: model.Paths, look: Look) -> Iterable[Line]:
    how = "" if record.method == "all" else f"{len(record.paths)} listed: {record.method}"
    head = (f"{record.root} <- {record.leaf}", "title")
    yield ink.join(head, _many(record.count, "path"), (how, "dim"))
    for at, path in enumerate(record.paths, 1):
        yield from _path(at, path, record.whole or at <= DETAILED)
    folded = len(record.paths) - DETAILED
    if folded > 0 and not record.whole:
        what = "path" if folded == 1 else f"{folded} paths"
        yield [(f"steps of the last {what}: ':paths ... all'", "dim")]
    if record.rest is not None:
        rest = record.rest
        others = f"    the other {_many(rest.count, 'path')} together"
        yield ink.join(others, f"= {_amount(rest.contribution)}", (percent(rest.share), "number"))
    yield _sum(record)
    yield from notes(record.notes, "note: {}")


def _path(at: int, path: model.Path, full: bool) -> Iterator[Line]:
    total = f"= {_amount(path.contribution)}"
    share = (percent(path.share), "number")
    way = " <- ".join(_shortened(list(_stations(path))))
    values = [step.value for step in path.steps if step.value is not None]
    if not full or path.skipped:
        yield ink.join(f"{at:>3}  {way}", total, share)
    elif len(values) == len(path.steps) and len(values) <= FACTORS:
        yield ink.join(f"{at:>3}  {way}")
        factors = " x ".join(f"{_derivative(step)} {number(step.value)}" for step in path.steps)
        yield ink.join(f"     {factors} {total}" if factors else f"     {total}", share)
    else:
        yield ink.join(f"{at:>3}  {way}", total, share)
        for step in path.steps:
            yield from _step(step)


def _stations(path: model.Path) -> Iterator[str]:
    """Yield the nodes of a path, each with the variable that it made."""
    steps = iter(path.steps)
    for node in path.nodes[:-1]:
        if node == "...":
            yield f"... {path.skipped} more ..."
            continue
        step = next(steps)
        yield _called(step.of, node)
    yield path.nodes[-1]


def _called(made: str, node: str) -> str:
    """Return 'h (#7 MulBackward0)'; without the name where it is only the op's."""
    stem = node.rpartition(" ")[2].rstrip("0123456789").removesuffix("Backward")
    return node if stem.lower() == made.lower() else f"{made} ({node})"


def _shortened(stations: list[str]) -> list[str]:
    missing = len(stations) - STATIONS
    if missing <= 0:
        return stations
    skipped = [each for each in stations if each.startswith("... ")]
    rest = missing + 1 + sum(int(each.split()[1]) - 1 for each in skipped)
    return [*stations[: STATIONS - 4], f"... {rest} more ...", *stations[-3:]]


def _derivative(step: model.PathStep) -> str:
    return f"d{_quantity(step.of)}/d{_quantity(step.by)}"


def _quantity(name: str) -> str:
    return name if name.isidentifier() else f"({name})"


def _step(step: model.PathStep) -> Iterator[Line]:
    lead = "       "
    name, where = lead + _derivative(step), (step.line, "dim")
    if step.value is not None:
        yield ink.join(name, number(step.value), where)
    elif step.jacobian is None:
        gain = f"gain {number(step.gain)}" if step.gain is not None else ""
        yield ink.join(name, f"|g| {number(step.norm)}", gain, where)
    elif short := _in_a_line(step.jacobian):
        yield ink.join(name, short, where)
    else:
        yield ink.join(name, where)
        yield from (ink.join(f"{lead}  [{row}]") for row in _rows(step.jacobian))


Matrix = tuple[tuple[float, ...], ...]


def _rows(matrix: Matrix) -> list[str]:
    return [" ".join(map(number, row)) for row in matrix]


def _in_a_line(matrix: Matrix) -> str:
    """Return a diagonal or small matrix on one line, and '' for any other."""
    at_ = range(len(matrix))
    square = len(matrix) == len(matrix[0])
    if square and all(not matrix[i][j] for i in at_ for j in at_ if i != j):
        diagonal = [matrix[i][i] for i in at_]
        if all(value == 1 for value in diagonal):
            return "identity"
        return f"diag({', '.join(map(number, diagonal))})"
    small = len(matrix) * len(matrix[0]) <= INLINE
    return f"[{'; '.join(_rows(matrix))}]" if small else ""


# -- terms and addends -----------------------------------------------------------------------------


@drawing.register
def _(record: model.Terms, look: Look) -> Iterable[Line]:
    terms = count(len(record.terms) + record.unlisted, "term")
    yield [ink.span(f"{record.root} = {terms}", "title")]
    rows = [
        (
            t.name,
            number(t.weight),
            "" if t.value is None else number(t.value),
            number(t.norm),
            _cosine(t.cosine),
            f"{t.node}  {t.line}".rstrip(),
        )
        for t in record.terms
    ]
    heads = ("term", "weight", "value", "|grad|", "cosine", "made by")
    yield from table([*rows, ("all", "", "", number(record.norm), "", "")], heads)
    yield from _by_parameter(record)
    if record.count > len(record.parameters):
        rest = count(record.count - len(record.parameters), "more parameter")
        yield [(f"and {rest}", "dim")]
    agrees = _agrees(record.agrees, record.max_difference)
    yield ink.join("sum of the terms' gradients and autograd.grad of the loss", agrees)
    yield from notes(record.notes, "note: {}")


def _by_parameter(record: model.Terms) -> list[Line]:
    shown = record.terms[:6]
    rows = []
    for at, name in enumerate(record.parameters):
        cells = (t.rows[at] for t in shown)
        parts = (f"{number(c.norm)} {_cosine(c.cosine)}".rstrip() for c in cells)
        rows.append((name, number(record.norms[at]), *parts))
    heads = ("parameter", "|grad|", *(f"{t.name} |g| cos" for t in shown))
    return table(rows, heads, none="")


def _cosine(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


@drawing.register
def _(record: model.Addends, look: Look) -> Iterable[Line]:
    what = f"{count(record.count, 'gradient')} added up" if record.count > 1 else "one gradient"
    yield ink.join((f"{record.root} <- {record.target}", "title"), what)
    rows = [
        (f"+ {_amount(a.amount)}", percent(a.share), f"from {sender}", f"edge {a.edge}", a.line)
        for a in record.addends
        for sender in (_called(a.made, a.sender) if a.made else a.sender,)
    ]
    yield from table(rows)
    yield from more(len(record.addends), record.count)
    yield _sum(record)
    yield from notes(record.notes, "note: {}")


# -- rules ---------------------------------------------------------------------------------------


@drawing.register
def _(record: model.Rule, look: Look) -> Iterable[Line]:
    yield ink.join((record.node, "title"), record.forward)
    wide = max((len(each.input) for each in record.formulas), default=0)
    for each in record.formulas:
        yield ink.join(f"  d/d {each.input.ljust(wide)}", (each.text, "code"))
    yield from ([ink.span(f"  {text}", "code")] for text in record.code.splitlines())
    yield [ink.span(f"  {record.source}", "dim")]
    if record.arriving:
        yield ink.join(f"  grad = {record.arriving}")
    yield from (ink.join(f"  saved {name} = {text}") for name, text in record.saved)
    yield from map(_gain, record.gains)
    yield from notes(record.notes, "note: {}")


def _gain(gain: model.Gain) -> Line:
    norms = f"{number(gain.norm_out)}/{number(gain.norm_in)}"
    values = f"= {gain.values}" if gain.values else ""
    return ink.join(f"  to {gain.to}", values, f"gain {norms} = {number(gain.gain)}")


@drawing.register
def _(record: model.Verified, look: Look) -> Iterable[Line]:
    yield ink.join((record.what, "title"), _passed(record.passed, "passed", "FAILED"))
    yield from (line for check in record.checks for line in _check(check))
    yield from notes(record.notes, "note: {}")


def _passed(passed: bool, yes: str, no: str) -> ink.Span:
    return (yes, "good") if passed else (no, "bad")


def _check(check: model.Checked) -> Sequence[Line]:
    finite = check.max_error is not None
    error = f"worst error {number(check.max_error)}" if finite else "not finite"
    relative = "" if check.relative is None else f"relative {number(check.relative)}"
    at = f"    at input {check.index}, output {check.output_index}:"
    by = f"backward {number(check.analytic)}, finite differences {number(check.numeric)}"
    what = f"  d({check.output})/d({check.input})"
    of = f"of {count(check.elements, 'element')}"
    return [
        ink.join(what, _passed(check.passed, "ok", "WRONG"), error, relative, of),
        ink.join(f"{at} {by}"),
    ]
