"""Watched training: the table of parameters with their verdicts, nodes, limits, where time goes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from gradrepl import model
from gradrepl.model.health import PROBLEMS
from gradrepl.phrases import figure
from gradrepl.render.pieces import Look, columns, facts, line, render, window

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = ".:-=+*#@"
WIDTH = 12
"""Looks that a sparkline shows."""
DEPTHS = 24
"""Parameters in the picture of norms by depth."""
HEADS = ("parameter", "|g|", "|g|/|w|", "upd/w", "zero", f"{WIDTH} looks", "verdict")
LIMITS = {
    "vanishing": "a gradient's norm below it is vanishing",
    "exploding": "a norm above it is exploding",
    "jump": "so is one that is so many times its own running mean",
    "rising": "a norm is rising that has steadily become so many times larger",
    "dead": "share of exact zeros from which on a gradient is dead",
    "patience": "backwards until 'never reached', 'unchanged', 'more than an overflow'",
    "loader": "share of a step spent waiting for data that makes it loader-bound",
    "figures": "look at zeros and updates at every so many looks; 0: as often as is cheap",
}


def short(value: float | None) -> str:
    """Return a norm as it stands in a table: '3.1e-09'; '-' where there is none."""
    if value is None:
        return "-"
    return f"{value:.1e}" if math.isfinite(value) else str(value)


def sparkline(history: Sequence[float | None], width: int, ascii_only: bool = False) -> str:
    """Return the last norms as a curve of their logarithm; '!' not finite, ' ' none."""
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    shown = history[-width:]
    logs = [math.log10(x) for x in shown if x is not None and math.isfinite(x) and x > 0]
    low, high = (min(logs), max(logs)) if logs else (0.0, 0.0)
    span = max(high - low, 1.0)  # less than one decade is no mountain
    middle = (low + high) / 2

    def block(x: float | None) -> str:
        if x is None:
            return " "
        if not math.isfinite(x):
            return "!"
        if x <= 0:
            return blocks[0]
        share = 0.5 + (math.log10(x) - middle) / span
        return blocks[min(7, max(0, int(share * 8)))]

    return "".join(map(block, shown))


def _mark(row: model.HealthRow | model.NodeRow) -> str:
    return "! " if row.verdict in PROBLEMS else "  "


def _zero(row: model.HealthRow) -> str:
    return "-" if row.zeros is None else f"{row.zeros / max(1, row.numel):.0%}"


def _update(row: model.HealthRow) -> str:
    sampled = "~" if row.update is not None and row.update_of < row.numel else ""
    return sampled + short(row.update)


@render.register
def _(record: model.Health, look: Look) -> RenderableType:
    if look.plain:
        return Group(*(facts(_row_facts(row), look) for row in record.rows), *_foot(record, look))
    if len(record.rows) == record.total == 1:
        return Group(facts(_row_facts(record.rows[0]), look), *_foot(record, look))
    cells: list[tuple[str, ...]] = []
    for row in record.rows:
        cells.append((
            _mark(row) + row.name, short(row.norm), short(row.ratio), _update(row), _zero(row),
            sparkline(row.history, WIDTH, look.ascii).ljust(WIDTH), row.label,
        ))  # fmt: skip
        cells += [(f"  {name}", *[""] * 5, f"tied to {row.name}") for name in row.also]
    table = columns([("  " + HEADS[0], *HEADS[1:]), *cells], look)
    parts: list[RenderableType] = [table]
    if not cells:
        parts = [line(look, "No parameter is watched so far.")]
    if len(record.rows) < record.total:
        parts.append(window(record.first, len(record.rows), record.total, "parameters", look))
    return Group(*parts, *_foot(record, look), *_depths(record, look))


def _row_facts(row: model.HealthRow) -> Iterator[tuple[str, str]]:
    yield "parameter", f"{row.name} {row.shape}"
    yield "also", ", ".join(row.also)
    yield "verdict", row.label + (f" since backward {row.since}" if row.since else "")
    yield "why", row.why
    yield from (("where", sentence) for sentence in row.where)
    yield "gradient", "None" if row.norm is None else f"norm {figure(row.norm)}"
    yield "gradient over weight", "" if row.ratio is None else figure(row.ratio)
    if row.update is not None:
        sample = row.update_of < row.numel
        of = f" (a sample: {row.update_of:,} of {row.numel:,} elements)" if sample else ""
        steps = f" in {row.update_steps} steps" if row.update_steps > 1 else ""
        yield "update over weight", f"{figure(row.update)}{steps}{of}"
    bad = ", ".join(f"{n} {what}" for n, what in ((row.nans, "NaN"), (row.infs, "Inf")) if n)
    yield "not finite", f"{bad} of {row.numel}" if bad else ""
    if row.figures_at:
        zeros = "" if row.zeros is None else f", {row.zeros} of {row.numel} zero ({_zero(row)})"
        edges = "" if row.min is None else f"[{figure(row.min)}, {figure(row.max)}]"
        yield f"figures after backward {row.figures_at}", f"{edges}{zeros}".removeprefix(", ")
    yield "last reached by backward", str(row.reached_at or "none")
    rate = "" if row.lr is None else f" lr {row.lr:g}"
    yield "optimizer", row.optimizer + rate
    at = f", backward {row.spread_at}" if row.spread_at else ""
    yield (
        f"elements by log10 |g|{at}",
        " ".join(f"{power:g}:{count}" for power, count in row.spread),
    )
    last = [short(norm) for norm in row.history[-6:]]
    yield "norms, the last 6", " ".join(last)


def clip(found: model.Clipping) -> str:
    """Return 'clip 1.0 hit 3 of 120': the limit, and how often it changed a gradient."""
    how = "" if found.how == "norm" else f"{found.how} "
    hit = f"hit {found.hit} of {found.calls}" if found.hit else f"not hit in {found.calls}"
    scaled = " (not unscaled!)" if found.scaled else ""
    return f"clip {how}{found.limit} {hit}{scaled}"


def skips(record: model.Health) -> str:
    """Return ', 2 steps skipped' where the GradScaler has skipped any."""
    count = record.skipped
    return f", {count} step{'s' * (count != 1)} skipped" if count else ""


def _foot(record: model.Health, look: Look) -> Iterator[Text]:
    point = record.points[-1] if record.points else None
    if point is not None:
        scale = ""
        if record.scale is not None:
            scale = f"scale {record.scale:g} taken out" + skips(record)
        yield line(
            look,
            f"backward {point.backward}",
            f"total norm {short(point.total)}",
            f"loss {figure(point.loss)}" if point.loss is not None else "",
            *map(clip, record.clipping),
            scale,
            "; ".join(record.optimizers),
            f"{record.problems} of {record.total} with a problem" if record.problems else "",
        )
    if record.more:
        yield line(look, "There are more parameters than can be watched.")
    if record.timing is not None:
        yield from _timing(record.timing, look)


def _timing(timing: model.Timing, look: Look) -> Iterator[Text]:
    parts = (
        ("data", timing.data), ("to the device", timing.to_device),
        ("forward and the rest", timing.forward), ("backward", timing.backward),
        ("optimizer", timing.optimizer), ("watching", timing.watching),
    )  # fmt: skip
    total = timing.total or 1.0
    told = [(name, seconds) for name, seconds in parts if seconds is not None]
    shares = ", ".join(f"{name} {seconds / total:.0%}" for name, seconds in told)
    closures = "; the optimizer's has its closure's forward in it" if timing.closures else ""
    yield line(look, f"a step takes {1000 * timing.total:.3g} ms: {shares}{closures}")
    yield line(look, timing.verdict)


def _depths(record: model.Health, look: Look) -> Iterator[Text]:
    """Yield the picture of norms by depth: one column for each, the loss at the left."""
    norms = (each.norm for each in record.depths)
    logs = [math.log10(norm) for norm in norms if norm and math.isfinite(norm)]
    if len(logs) < 3 or record.total <= 1:
        return
    if len(logs) > DEPTHS:  # every so many, the first and the last among them
        logs = [logs[at * (len(logs) - 1) // (DEPTHS - 1)] for at in range(DEPTHS)]
    top = math.ceil(max(logs))
    bottom = min(math.floor(min(logs)), top - 1)
    step = max(1, -(-(top - bottom) // 6))
    dot = "*" if look.ascii else "●"
    yield line(look, ("log10 |g| by depth, from the loss to the input", "dim"))
    for level in range(top, bottom - 1, -step):
        dots = "".join(f"{dot} " if level - step < log <= level else "  " for log in logs)
        yield line(look, f"{level:+4} {dots}".rstrip())


@render.register
def _(record: model.HealthNodes, look: Look) -> RenderableType:
    parts: list[RenderableType] = []
    if record.bad is not None:
        bad = record.bad
        parts.append(
            line(look, f"first not finite: what arrives at #{bad.id} {bad.name} {bad.label}")
        )
    if look.plain:
        parts += [line(look, _node(row)) for row in record.rows]
    else:
        cells = [
            (f"{_mark(row)}#{row.id}", row.name, row.label, short(row.norm),
             *((short(row.min), short(row.max)) if record.statistics else ()), _bad(row))
            for row in record.rows
        ]  # fmt: skip
        edges = ("min", "max") if record.statistics else ()
        parts.append(columns([("  node", "", "", "|g|", *edges, "verdict"), *cells], look))
    parts.append(window(record.first, len(record.rows), record.total, "nodes", look))
    parts.append(line(look, f"backward {record.backward}", record.note))
    return Group(*parts)


def _bad(row: model.NodeRow) -> str:
    counts = [f"{n} {what}" for n, what in ((row.nans, "NaN"), (row.infs, "Inf")) if n]
    return " ".join([row.verdict, *counts])


def _node(row: model.NodeRow) -> str:
    return f"#{row.id} {row.name} {row.label}: norm {short(row.norm)}, {_bad(row)}"


@render.register
def _(record: model.Watching, look: Look) -> RenderableType:
    what = [
        text
        for on, text in (
            (record.grads, "the gradient of every parameter"),
            (record.nodes, "the gradient that arrives at every node"),
        )
        if on
    ]
    if not what and record.breakpoints:
        return line(look, "A breakpoint has every parameter's gradient watched.")
    if not what:
        return line(look, "Nothing is watched.")
    when = "each backward" if record.every == 1 else f"every {record.every}th backward"
    return line(look, f"Watching {' and '.join(what)} after {when}; ':health' shows them.")


@render.register
def _(record: model.Verdicts, look: Look) -> RenderableType:
    lines = [
        line(look, f"backward {each.backward}:", (f"{each.name} {each.label}:", "bold"), each.why)
        for each in record.changes
    ]
    more = record.total - len(record.changes)
    rest = [line(look, f"and {more} more; ':health' shows all.")] if more > 0 else []
    return Group(*lines, *rest)


@render.register
def _(record: model.HealthLimits, look: Look) -> RenderableType:
    return columns(
        [(f"health.{name}", f"{getattr(record, name):g}", text) for name, text in LIMITS.items()],
        look,
    )
