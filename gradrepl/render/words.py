"""Values, sentences, errors and ends."""

from __future__ import annotations

import os

from rich.console import Group, RenderableType
from rich.text import Text

from gradrepl import model
from gradrepl.phrases import figures
from gradrepl.render.pieces import Look, fit, line, render


@render.register
def _(record: model.Value, look: Look) -> RenderableType:
    text = record.text
    if record.tensor is not None and text.startswith("<tensor "):  # too large for its elements
        text = "  ".join(filter(None, (text, figures(record.tensor.stats))))
    return fit(Text(text), look)


@render.register
def _(record: model.Notice, look: Look) -> RenderableType:
    return line(look, (record.message, "dim"))


@render.register
def _(record: model.Text, look: Look) -> RenderableType:
    return Group(line(look, (record.title, "bold")), fit(Text(record.body.strip("\n")), look))


@render.register
def _(record: model.Error, look: Look) -> RenderableType:
    lines: list[RenderableType] = []
    trace = record.traceback.rstrip()
    if trace:
        lines.append(fit(Text(trace), look))
    last = trace.rpartition("\n")[2]
    message = record.message.partition("\n")[0]  # in a trace, notes may follow it
    told = bool(record.kind) and (last.startswith(record.kind) or message in trace)
    if not told:
        lead = "" if trace or record.message.startswith(record.kind + ":") else "Error: "
        lines.append(line(look, (lead + record.message, "red")))
    if record.hint:
        lines.append(line(look, f"  {record.hint}"))
    return Group(*lines)


@render.register
def _(record: model.Ended, look: Look) -> RenderableType:
    why = f" by {record.exception}" if record.exception else ""
    script = os.path.basename(record.script) or "The script"
    return line(look, f"{script} ended{why} with code {record.code}.")


@render.register
def _(record: model.Gone, look: Look) -> RenderableType:
    lost = f"The debuggee is gone: it {_was(record.how)}."
    return Group(line(look, (lost, "red")), line(look, "  ':restart' starts it again, 'q' leaves."))


def _was(how: str) -> str:
    return f"was {how}" if how.startswith("killed") else how
