"""The chain rule: paths, local derivatives, terms of a loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from gradrepl import model
from gradrepl.phrases import SHORT, figure
from gradrepl.render.pieces import Look, columns, line, render

DETAILED = 3
"""Paths whose derivatives are shown edge by edge, unless all are asked for."""
STATIONS = 10
"""Nodes of a path that are drawn."""
FACTORS = 12
"""Numbers of a product that are drawn on one line."""
INLINE = 16
"""Numbers of a matrix up to which it stands on one line."""


def amount(value: model.Amount) -> str:
    """Return a gradient in short: its number, its few values, else shape and norm."""
    if value is None:
        return "none"
    if isinstance(value, (int, float)):
        return figure(value)
    few = value.values if value.values and len(value.values) <= 60 else ""
    shape = f"{value.shape} {SHORT.get(value.dtype, value.dtype)}"
    norm = f"norm {figure(value.stats.norm)}" if value.stats else ""
    return few or "  ".join(filter(None, (shape, norm)))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.3g}%"


def _many(count: int | str, what: str) -> str:
    number = f"{count:,}" if isinstance(count, int) else _digits(count)
    return f"{number} {what}" if count == 1 else f"{number} {what}s"


def _digits(count: str) -> str:
    return count if len(count) <= 30 else f"{count[0]}.{count[1:4]}e{len(count) - 1}"


def verdict(record: model.Paths | model.Addends, look: Look) -> Text:
    """Return the line with the sum, torch's own gradient, and whether they agree."""
    told = "agrees" if record.agrees else "DIFFERS"
    apart = record.max_difference
    if not record.agrees and apart is not None:
        told += f" by up to {figure(apart)}"
    if record.agrees is None:
        return line(look, f"sum {amount(record.total)}", ("not compared", "yellow"))
    style = "green" if record.agrees else "bold red"
    grad = f"autograd.grad {amount(record.grad)}"
    return line(look, f"sum {amount(record.total)}", grad, (told, style))


def _notes(notes: Sequence[str], look: Look) -> list[RenderableType]:
    return [line(look, (f"note: {note}", "dim")) for note in notes]


# -- paths ---------------------------------------------------------------------------------------


@render.register
def _(record: model.Paths, look: Look) -> RenderableType:
    how = "" if record.method == "all" else f"{len(record.paths)} listed: {record.method}"
    head = f"{record.root} <- {record.leaf}"
    lines: list[RenderableType] = [
        line(look, (head, "bold"), _many(record.count, "path"), (how, "dim"))
    ]
    for number, path in enumerate(record.paths, 1):
        lines += _path_lines(number, path, record.whole or number <= DETAILED, look)
    folded = len(record.paths) - DETAILED
    if folded > 0 and not record.whole:
        what = "path" if folded == 1 else f"{folded} paths"
        lines.append(line(look, (f"steps of the last {what}: ':paths ... all'", "dim")))
    if record.rest is not None:
        rest = record.rest
        text = f"the other {_many(rest.count, 'path')} together"
        lines.append(line(look, f"    {text}", f"= {amount(rest.contribution)}",
                          (_percent(rest.share), "cyan")))  # fmt: skip
    return Group(*lines, verdict(record, look), *_notes(record.notes, look))


def _path_lines(number: int, path: model.Path, full: bool, look: Look) -> Iterator[Text]:
    total = f"= {amount(path.contribution)}"
    share = (_percent(path.share), "cyan")
    way = " <- ".join(_shortened(list(_stations(path))))
    if not full or path.skipped:
        yield line(look, f"{number:>3}  {way}", total, share)
        return
    numbers = [_factor(step) for step in path.steps if step.value is not None]
    if len(numbers) == len(path.steps) and len(numbers) <= FACTORS:
        yield line(look, f"{number:>3}  {way}")
        factors = " x ".join(numbers)
        yield line(look, f"     {factors} {total}" if factors else f"     {total}", share)
        return
    yield line(look, f"{number:>3}  {way}", total, share)
    for step in path.steps:
        yield from _step_lines(step, look)


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
    more = missing + 1 + sum(int(each.split()[1]) - 1 for each in skipped)
    return [*stations[: STATIONS - 4], f"... {more} more ...", *stations[-3:]]


def _derivative(step: model.PathStep) -> str:
    return f"d{_quantity(step.of)}/d{_quantity(step.by)}"


def _quantity(name: str) -> str:
    return name if name.isidentifier() else f"({name})"


def _factor(step: model.PathStep) -> str:
    return f"{_derivative(step)} {figure(step.value)}"


def _step_lines(step: model.PathStep, look: Look) -> Iterator[Text]:
    lead = "       "
    name, where = _derivative(step), (step.line, "dim")
    if step.value is not None:
        yield line(look, lead + name, figure(step.value), where)
    elif step.jacobian is not None:
        short = _diagonal(step.jacobian)
        if short:
            yield line(look, lead + name, short, where)
            return
        rows = [" ".join(figure(value + 0.0) for value in row) for row in step.jacobian]
        if len(rows) * len(step.jacobian[0]) <= INLINE:
            yield line(look, lead + name, f"[{'; '.join(rows)}]", where)
            return
        yield line(look, lead + name, where)
        yield from (line(look, f"{lead}  [{row}]") for row in rows)
    else:
        gain = f"gain {figure(step.gain)}" if step.gain is not None else ""
        yield line(look, lead + name, f"|g| {figure(step.norm)}", gain, where)


def _diagonal(matrix: tuple[tuple[float, ...], ...]) -> str:
    """Return a diagonal matrix in short, and '' for any other."""
    if len(matrix) != len(matrix[0]) or any(
        value != 0 for i, row in enumerate(matrix) for j, value in enumerate(row) if i != j
    ):
        return ""
    diagonal = [row[i] for i, row in enumerate(matrix)]
    if all(value == 1 for value in diagonal):
        return "identity"
    return f"diag({', '.join(figure(value + 0.0) for value in diagonal)})"


# -- terms and addends -----------------------------------------------------------------------------


@render.register
def _(record: model.Terms, look: Look) -> RenderableType:
    count = len(record.terms) + record.unlisted
    head = f"{record.root} = {_many(count, 'term')}"
    rows = [("term", "weight", "value", "|grad|", "cosine", "made by")]
    rows += [(t.name, figure(t.weight), "" if t.value is None else figure(t.value), figure(t.norm),
              _cosine(t.cosine), f"{t.node}  {t.line}".rstrip()) for t in record.terms]  # fmt: skip
    rows.append(("all", "", "", figure(record.norm), "", ""))
    lines: list[RenderableType] = [line(look, (head, "bold")), columns(rows, look)]
    shown = record.terms[:6]
    table = [("parameter", "|grad|", *(f"{t.name} |g| cos" for t in shown))]
    for place, name in enumerate(record.parameters):
        cells = (t.rows[place] for t in shown)
        parts = (f"{figure(c.norm)} {_cosine(c.cosine)}".rstrip() for c in cells)
        table.append((name, figure(record.norms[place]), *parts))
    lines.append(columns(table, look))
    more = record.count - len(record.parameters)
    if more:
        lines.append(line(look, (f"and {_many(more, 'more parameter')}", "dim")))
    said = "agrees" if record.agrees else f"DIFFERS by up to {figure(record.max_difference)}"
    style = "green" if record.agrees else "bold red"
    lines.append(line(look, "sum of the terms' gradients and autograd.grad of the loss",
                      (said, style)))  # fmt: skip
    return Group(*lines, *_notes(record.notes, look))


def _cosine(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


@render.register
def _(record: model.Addends, look: Look) -> RenderableType:
    head = f"{record.root} <- {record.target}"
    what = _many(record.count, "gradient") + " added up" if record.count > 1 else "one gradient"
    rows = [
        (f"+ {amount(a.amount)}", _percent(a.share), f"from {_sender(a)}",
         f"edge {a.edge}", a.line)
        for a in record.addends
    ]  # fmt: skip
    lines: list[RenderableType] = [line(look, (head, "bold"), what), columns(rows, look)]
    more = record.count - len(record.addends)
    if more:
        lines.append(line(look, (f"and {more} more", "dim")))
    return Group(*lines, verdict(record, look), *_notes(record.notes, look))


def _sender(addend: model.Addend) -> str:
    return _called(addend.made, addend.sender) if addend.made else addend.sender


# -- rules ---------------------------------------------------------------------------------------


@render.register
def _(record: model.Rule, look: Look) -> RenderableType:
    lines: list[RenderableType] = [line(look, (record.node, "bold magenta"), record.forward)]
    wide = max((len(each.input) for each in record.formulas), default=0)
    lines += [line(look, f"  d/d {f.input.ljust(wide)}", f.text) for f in record.formulas]
    lines += [line(look, f"  {text}") for text in record.code.splitlines()]
    lines.append(line(look, (f"  {record.source}", "dim")))
    if record.arriving:
        lines.append(line(look, f"  grad = {record.arriving}"))
    lines += [line(look, f"  saved {name} = {text}") for name, text in record.saved]
    for gain in record.gains:
        said = f"{figure(gain.norm_out)}/{figure(gain.norm_in)}"
        values = f"= {gain.values}" if gain.values else ""
        lines.append(line(look, f"  to {gain.to}", values,
                          f"gain {said} = {figure(gain.gain)}"))  # fmt: skip
    return Group(*lines, *_notes(record.notes, look))


@render.register
def _(record: model.Verified, look: Look) -> RenderableType:
    told = ("passed", "green") if record.passed else ("FAILED", "bold red")
    lines: list[RenderableType] = [line(look, (record.what, "bold"), told)]
    for check in record.checks:
        what = f"  d({check.output})/d({check.input})"
        error = (
            "not finite" if check.max_error is None else f"worst error {figure(check.max_error)}"
        )
        relative = "" if check.relative is None else f"relative {figure(check.relative)}"
        lines.append(line(look, what, ("ok", "green") if check.passed else ("WRONG", "bold red"),
                          error, relative, f"of {check.elements} elements"))  # fmt: skip
        at = f"    at input {check.index}, output {check.output_index}:"
        numbers = f"backward {figure(check.analytic)}, finite differences {figure(check.numeric)}"
        lines.append(line(look, f"{at} {numbers}"))
    return Group(*lines, *_notes(record.notes, look))
