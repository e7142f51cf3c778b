"""Watched training: parameters with their verdicts, what holds for all, limits, nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gradrepl import model
from gradrepl.draw import Look, drawing, ink
from gradrepl.draw.charts import bars, depths, sparkline
from gradrepl.draw.ink import Line, Role, Row, Span
from gradrepl.draw.numbers import broken, count, number, percent, seconds, shape, times
from gradrepl.draw.tables import (
    Cell,
    Column,
    Fact,
    column_heads,
    facts,
    in_columns,
    table,
    trimmed,
    window,
)
from gradrepl.model.health import FROZEN, OVERFLOW, PROBLEMS, RISING, UNSEEN

STEPS = 12
"""Norms that a sparkline shows where there is no width to fill."""
WIDE = 100
"""Cells from which on a list has columns for shape, largest element, and NaN."""
NARROW = 76
"""And from which on for ratio, update and zeros."""
MARKS: dict[str, Span] = {
    **dict.fromkeys(PROBLEMS, ("!", "bad")),
    OVERFLOW: ("▼", "warn"),
    RISING: ("↑", "warn"),
    UNSEEN: ("·", "dim"),
    FROZEN: ("·", "dim"),
}
"""Glyphs of verdicts, never told by colour alone."""
LIMITS = {
    "vanishing": "a gradient's norm below it is vanishing",
    "exploding": "a norm above it is exploding",
    "jump": "so is one that is so many times its own running mean",
    "rising": "a norm is rising that has steadily become so many times larger",
    "dead": "share of exact zeros from which on a gradient is dead",
    "patience": "backwards until 'never reached', 'unchanged', 'more than an overflow'",
    "loader": "share of a step spent waiting for data that makes it loader-bound",
    "figures": "work out zeros and updates at every so many steps; 0: as often as is cheap",
}


# -- one parameter -------------------------------------------------------------------------------


def mark(verdict: str) -> Span:
    """Return the glyph of a verdict."""
    return MARKS.get(verdict, (" ", ""))


def role(verdict: str) -> Role:
    """Return how a verdict's word is written."""
    return MARKS.get(verdict, ("", "good"))[1]


def _label(row: model.HealthRow) -> Span:
    return row.label or row.verdict, role(row.verdict)


def _norm(row: model.HealthRow) -> Span:
    if row.norm is None:
        return "None", "dim"
    return number(row.norm), "bad" if row.nans + row.infs else "number"


def _largest(row: model.HealthRow) -> str:
    """Return the largest element, either way."""
    if row.norm is not None and row.nans + row.infs:
        return number(row.norm)
    edges = (row.min, row.max)
    return number(max(abs(edge) for edge in edges if edge is not None)) if any(edges) else "-"


def _update(row: model.HealthRow) -> str:
    """Return the change over the weight; '~' measured on a sample."""
    return ("~" if _sampled(row) else "") + number(row.update)


def _sampled(row: model.HealthRow) -> bool:
    return row.update is not None and row.update_of < row.numel


def _zero(row: model.HealthRow) -> str:
    return "-" if row.zeros is None else f"{row.zeros / max(1, row.numel):.0%}"


def _bad(row: model.HealthRow) -> Span:
    bad = row.nans + row.infs
    return (str(bad), "bad") if bad else ("0" if row.norm is not None else "-", "")


def _counts(row: model.HealthRow | model.NodeRow) -> str:
    return ", ".join(f"{n} {what}" for n, what in ((row.nans, "NaN"), (row.infs, "Inf")) if n)


def row_facts(row: model.HealthRow) -> Iterator[Fact]:
    """Yield which number crossed which limit, where it shrinks, and all statistics."""
    yield "parameter", f"{row.name} {row.shape}"
    yield "also", ", ".join(row.also)
    yield "verdict", _verdict(row)
    yield "why", row.why
    yield from (("where", sentence) for sentence in row.where)
    yield "gradient", "None" if row.norm is None else f"norm {number(row.norm)}"
    yield "gradient/weight", "" if row.ratio is None else number(row.ratio)
    yield "update/weight", _updated(row)
    bad = _counts(row)
    yield "not finite", f"{bad} of {count(row.numel, 'element')}" if bad else ""
    yield "range", "" if row.min is None else f"min {number(row.min)}, max {number(row.max)}"
    zeros = f"{row.zeros} of {count(row.numel, 'element')} ({_zero(row)})"
    yield "zero", "" if row.zeros is None else zeros
    yield "statistics", f"from backward {row.figures_at}" if row.figures_at else ""
    yield "last updated", f"in backward {row.reached_at}" if row.reached_at else "never"
    yield "optimizer", row.optimizer + ("" if row.lr is None else f" lr {number(row.lr)}")
    yield "norms", "  ".join(number(norm) for norm in row.history[-6:])


def _verdict(row: model.HealthRow) -> Line:
    since = f" since backward {row.since}" if row.since else ""
    glyph, kind = mark(row.verdict)
    lead = f"{glyph} " if glyph.strip() else ""
    return [(lead, kind), ink.span(*_label(row)), (since, "dim")]


def _updated(row: model.HealthRow) -> str:
    if row.update is None:
        return ""
    steps = f" in {row.update_steps} steps" if row.update_steps > 1 else ""
    of = f" (a sample: {row.update_of:,} of {count(row.numel, 'element')})"
    return number(row.update) + steps + (of if _sampled(row) else "")


def details(row: model.HealthRow, look: Look) -> list[Line]:
    """Return all that is known of one parameter, its elements as a histogram."""
    lines = [*facts(row_facts(row))]
    if not row.spread:
        return lines
    at = f", backward {row.spread_at}" if row.spread_at else ""
    if look.plain:
        counts = " ".join(f"{power:g}:{many}" for power, many in row.spread)
        return [*lines, *facts([(f"elements by log10 |g|{at}", counts)])]
    rows = [(f"{power:+.0f}", many) for power, many in reversed(row.spread)]
    return [*lines, [(f"elements by log10 |g|{at}", "title")], *bars(rows, look.width or 60)]


# -- the list ------------------------------------------------------------------------------------


TITLES = "parameter shape |g| max|g| |g|/|w| update/weight zero nan steps verdict"
STEPS_AT = 8
"""The column of the sparkline."""


def _titles(steps: int) -> list[str]:
    titles, last = TITLES.split(), f"last {steps} steps"
    if steps >= len(last):
        titles[STEPS_AT] = last
    return titles


def columns(width: int) -> list[Column]:
    """Return what there is room for."""
    if width >= WIDE:
        rooms = [0, 13, 10, 10, 10, 14, 5, 5, 0, 10]
        rest = width - 2 - sum(rooms)
        rooms[0] = min(30, max(12, rest - 26))
        rooms[STEPS_AT] = min(48, rest - rooms[0])
    else:
        roomy = [0, 0, 10, 0, 10, 14, 5, 0, 12, 10]
        rooms = roomy if width >= NARROW else [0, 0, 10, 0, 0, 0, 0, 0, 9, 10]
        rooms[0] = max(8, width - 2 - sum(rooms))
    pairs = zip(_titles(rooms[STEPS_AT] - 2), rooms, strict=True)
    return [Column(title, room, gap=title == "parameter") for title, room in pairs]


def _cells(row: model.HealthRow) -> list[Span]:
    return [
        (shape(row.shape), "dim"),
        _norm(row),
        (_largest(row), ""),
        (number(row.ratio), ""),
        (_update(row), ""),
        (_zero(row), ""),
        _bad(row),
    ]


def curve(history: tuple[float | None, ...], cells: int, ascii: bool) -> Line:
    """Return the last norms as a sparkline; '!' not finite, a dot where no gradient arrived."""
    none = "" if ascii else "·"
    text = sparkline(history, cells, ascii)
    line = ink.runs(text, {"!": "bad", none: "dim"}, "number")
    return [*line, (" " * (cells - len(text)), "")]


def head(width: int) -> Line:
    """Return the titles of the columns."""
    return column_heads(columns(width), lead="  ")


def line(row: model.HealthRow, tied: str, width: int, ascii: bool = False) -> Line:
    """Return one parameter, or with ``tied`` another name of it."""
    shown = columns(width)
    if tied:
        name = min(len(tied) + 4, max(shown[0].cells, width // 2))
        text = ink.clip(f"tied to {row.name}", width - name - 2)
        return Row([("  ", ""), (ink.pad(tied, name), "dim"), (text, "dim")])
    steps = curve(row.history, shown[STEPS_AT].cells - 2, ascii)
    glyph, kind = mark(row.verdict)
    cells: list[Span | Line] = [(row.name, "name"), *_cells(row), steps, _label(row)]
    return trimmed(Row([(f"{glyph} ", kind), *in_columns(cells, shown)]))


def _table(record: model.Health, look: Look) -> list[Line]:
    if look.width is not None:
        pairs = ((row, tied) for row in record.rows for tied in ("", *row.also))
        lines = [line(row, tied, look.width, look.ascii) for row, tied in pairs]
        return [head(look.width), *lines] if lines else []
    cells: list[list[Cell]] = []
    for row in record.rows:
        history = sparkline(row.history, STEPS, look.ascii), "number"
        cells.append([mark(row.verdict), (row.name, "name"), *_cells(row), history, _label(row)])
        tied = f"tied to {row.name}", "dim"
        cells += [["", (name, "dim"), *[""] * STEPS_AT, tied] for name in row.also]
    return table(cells, ("", *_titles(STEPS + 1)), lead="", none="")


@drawing.register
def _(record: model.Health, look: Look) -> Iterable[Line]:
    if look.plain or len(record.rows) == record.total == 1:
        for row in record.rows:
            yield from details(row, look)
    else:
        yield from _table(record, look) or [[("No parameter has been watched yet.", "")]]
        if len(record.rows) < record.total:
            yield window(record.first, len(record.rows), record.total, "parameters")
    yield from foot(record)
    if not look.plain and record.total > 1:
        yield from depths(record.depths, "", look)


# -- what holds for all --------------------------------------------------------------------------


def foot(record: model.Health) -> Iterator[Line]:
    """Yield total norm, loss, clipping, scaler, optimizers; and where the time goes."""
    if record.points:
        yield summary(record)
    if record.more:
        yield [("There are more parameters than can be watched.", "warn")]
    if record.timing is not None:
        yield from _timing(record.timing)


def summary(record: model.Health) -> Line:
    """Return what holds for all parameters in one line."""
    parts: list[Span] = []
    for point in record.points[-1:]:
        role = "bad" if broken(point.total) else ""
        parts = [(f"backward {point.backward}", "dim"), (f"total norm {number(point.total)}", role)]
        parts += [] if point.loss is None else [(f"loss {number(point.loss)}", "")]
    parts += [(clip(each), "warn" if each.scaled or each.empty else "") for each in record.clipping]
    if record.scale is not None:
        skipped = f", {count(record.skipped, 'step')} skipped" if record.skipped else ""
        parts.append((f"GradScaler {number(record.scale)}{skipped}", ""))
    parts.append(("; ".join(record.optimizers), ""))
    if record.problems:
        parts.append((f"{record.problems} of {record.total} with a problem", "bad"))
    return ink.join(*parts)


def clip(clipping: model.Clipping) -> str:
    """Return 'clip 1.0 hit 3 of 120': the limit, and how often it changed a gradient."""
    how = "" if clipping.how == "norm" else f"{clipping.how} "
    calls, hit = clipping.calls, clipping.hit
    real = calls - clipping.empty
    often = f"hit {hit} of {real}" if hit else f"not hit in {real}" if real else ""
    if clipping.empty:
        nothing = f"{times(clipping.empty)} of no gradient"
        often = f"{often}, {nothing}" if real else nothing
    return f"clip {how}{clipping.limit} {often}{' (not unscaled!)' if clipping.scaled else ''}"


def _timing(timing: model.Timing) -> Iterator[Line]:
    parts = {
        "data": timing.data,
        "to the device": timing.to_device,
        "forward and the rest": timing.forward,
        "backward": timing.backward,
        "optimizer": timing.optimizer,
        "watching": timing.watching,
    }
    total = timing.total or 1.0
    known = [(name, took) for name, took in parts.items() if took is not None]
    shares = ", ".join(f"{name} {percent(took / total)}" for name, took in known)
    closures = "; the optimizer's has its closure's forward in it" if timing.closures else ""
    yield [(f"a step takes {seconds(timing.total)}: {shares}{closures}", "")]
    yield [ink.span(timing.verdict)]


# -- nodes, limits, what is watched --------------------------------------------------------------


@drawing.register
def _(record: model.HealthNodes, look: Look) -> Iterable[Line]:
    if record.bad is not None:
        bad = record.bad
        text = f"first not finite: what arrives at #{bad.id} {bad.name} {bad.label}"
        yield [ink.span(text, "bad")]
    if look.plain:
        for row in record.rows:
            norm = f"norm {number(row.norm)}, {_node_verdict(row)[0]}"
            yield [ink.span(f"#{row.id} {row.name} {row.label}: {norm}")]
    elif record.rows:
        cells: list[tuple[Cell, ...]] = [
            (
                mark(row.verdict),
                (f"#{row.id}", "dim"),
                (row.name, "name"),
                (row.label, "module"),
                (number(row.norm), "number"),
                *(number(edge) if record.statistics else "" for edge in (row.min, row.max)),
                _node_verdict(row),
            )
            for row in record.rows
        ]
        yield from table(cells, ("", "", "node", "", "|g|", "min", "max", "verdict"), lead="")
    yield window(record.first, len(record.rows), record.total, "nodes")
    yield ink.join(f"backward {record.backward}", record.note)


def _node_verdict(row: model.NodeRow) -> Span:
    return f"{row.verdict} {_counts(row)}".rstrip(), role(row.verdict)


@drawing.register
def _(record: model.Watching, look: Look) -> Iterable[Line]:
    grads = "the gradient of every parameter" if record.grads else ""
    nodes = "the gradient that arrives at every node" if record.nodes else ""
    what = ink.listed(grads, nodes, gap=" and ")
    when = "each backward" if record.every == 1 else f"every {record.every}th backward"
    if what:
        text = f"Watching {what} after {when}; ':health' shows them."
    elif record.breakpoints:
        text = "A breakpoint has every parameter's gradient watched."
    else:
        text = "Nothing is watched."
    return [[(text, "")]]


@drawing.register
def _(record: model.Verdicts, look: Look) -> Iterable[Line]:
    for each in record.changes:
        named = (f"{each.name} {each.label}:", "bad")
        yield ink.join(f"backward {each.backward}:", named, each.why)
    if record.total > len(record.changes):
        yield [(f"and {record.total - len(record.changes)} more; ':health' shows all.", "")]


@drawing.register
def _(record: model.HealthLimits, look: Look) -> Iterable[Line]:
    rows = LIMITS.items()
    return table([(f"health.{name}", number(getattr(record, name)), text) for name, text in rows])
