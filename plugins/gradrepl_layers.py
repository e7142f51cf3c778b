"""A screen of the gradient's way through the layers: one bar a layer, the loss at the top.

Shows what ``:watch grads`` keeps: of each layer the norm of all of its parameters' gradients at
the last look, on a logarithmic scale, and how it stands to the layer nearest the loss.
"""

import math
from collections import defaultdict

import gradrepl
from gradrepl import model, protocol

DECADES = 12
"""Powers of ten that a whole bar spans."""
EMPTY = " Nothing is watched: ':watch grads', then let a backward run."


def layers(health):
    """Return (layer, norm) from the loss to the input; None for one without a gradient."""
    found = defaultdict(list)
    for each in health.depths:
        found[each.name.rpartition(".")[0] or each.name].append(each.norm)
    rows = []
    for name, norms in found.items():
        known = [norm for norm in norms if norm is not None]
        rows.append((name, math.hypot(*known) if known else None))
    return rows


def bar(norm, top, cells):
    """Return as many cells as ``norm`` has decades above the smallest that is shown."""
    if norm is None or not norm:
        return ""
    if not math.isfinite(norm):
        return "!" * cells
    share = 1 + (math.log10(norm) - math.ceil(math.log10(top))) / DECADES
    return "█" * max(1, min(cells, round(share * cells)))


def draw(rows, width):
    """Return the lines of the screen, each a list of (text, role)."""
    name = min(max((len(name) for name, _ in rows), default=5), max(8, width // 3))
    known = [norm for _, norm in rows if norm and math.isfinite(norm)]
    top, first = max(known, default=1.0), next(iter(known), 0.0)
    cells = max(4, width - name - 26)
    lines = [[(f" {'layer':{name}}  {'|g|':>9}  {'of first':>9}", "title")]]
    for layer, norm in rows:
        bad = norm is not None and not math.isfinite(norm)
        lines.append(
            [
                (f" {layer[-name:]:{name}}", "name"),
                (_values(norm, first), "bad" if bad else "number"),
                (bar(norm, top, cells), "bad" if bad else "good"),
            ]
        )
    return lines


def _values(norm, first):
    value = "-" if norm is None else f"{norm:.2e}"
    share = f"{norm / first:.1e}" if norm and first and math.isfinite(norm) else "-"
    return f"  {value:>9}  {share:>9}  "


def page():
    """Make the screen; Textual is imported only now."""
    from gradrepl.tui.pages.page import PaperPage

    class Layers(PaperPage):
        VIEW = "layers"

        async def renew(self, ask):
            found = await ask(protocol.AskHealth(count=1))
            rows = layers(found) if isinstance(found, model.Health) else []
            self.paper.caption("Layers", "the loss at the top, log scale" if rows else "")
            self.paper.write(draw(rows, self.paper.room) if rows else [[(EMPTY, "dim")]])

    return Layers()


@gradrepl.hookimpl
def gradrepl_views():
    from gradrepl.tui.keys import COMMAND, COPY, HELP, QUIT
    from gradrepl.tui.views import View

    feet = (COPY, COMMAND, HELP, QUIT)
    help = "Gradients by layer, from the loss to the input"
    return [View("layers", "7", "Layers", help, "layers", feet, page=page)]
