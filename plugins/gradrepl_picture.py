"""``:picture EXPR`` and the screen of the same name: a tensor as a heat map, or as an image.

The last two dimensions are drawn, averaged down to the room there is; ``x[3]`` chooses. NaN and
Inf count as the least and are said.
"""

import gradrepl
from gradrepl import model, protocol
from gradrepl.commands.registry import Expression, command
from gradrepl.draw.samples import halves, ramp, scaled
from gradrepl.errors import UsageError

DOTS = 128
"""Rows and columns that cross the link."""
chosen = {"expression": ""}
"""What the screen draws: what was asked for last."""


class AskDots(protocol.Request, frozen=True, kw_only=True):
    """What a tensor looks like."""

    of: str
    """An expression."""


class Dots(model.Record, frozen=True, kw_only=True):
    """A tensor as rows of greys from 0 to 255."""

    rows: tuple[tuple[int, ...], ...]
    about: str
    """Its shape, and which numbers are dark and bright."""


@command("picture", group="Looking")
async def picture(talk, expression: Expression):
    """Draw the last two dimensions of a tensor; the screen of the same name shows it larger."""
    dots = await talk.ask(AskDots(of=expression))
    if not isinstance(dots, Dots):
        return dots
    chosen["expression"] = expression
    body = "\n".join(ramp(scaled(dots.rows, 60, 40)))
    return model.Text(title=f"{expression}  {dots.about}", body=body)


@gradrepl.hookimpl
def gradrepl_commands():
    return [picture]


@gradrepl.hookimpl
def gradrepl_answer(request, here):
    if not isinstance(request, AskDots):
        return None
    import torch

    from gradrepl.engine.tensor import figures

    value = here.evaluate(request.of)
    if not isinstance(value, torch.Tensor) or not value.numel() or value.is_complex():
        raise UsageError(f"{request.of} is no tensor of real numbers with elements.")
    if not figures.readable(value):
        raise UsageError(f"{request.of} has no elements that can be read here.")
    flat = value.detach()
    while flat.dim() > 2:
        flat = flat[0]
    flat = torch.atleast_2d(flat)[: 64 * DOTS, : 64 * DOTS].to("cpu", torch.float32)
    finite = flat.isfinite()
    small = torch.where(finite, flat, flat[finite].min() if finite.any() else 0.0)
    size = [min(DOTS, side) for side in small.shape]
    small = torch.nn.functional.adaptive_avg_pool2d(small[None], size)[0]
    low, high = small.min().item(), small.max().item()
    rows = ((small - low) / (high - low or 1.0) * 255).round().int().tolist()
    bad = int((~finite).sum())
    about = f"{tuple(value.shape)}  {low:.4g} (dark) to {high:.4g}"
    about += f"  {bad} not finite" if bad else ""
    return Dots(rows=tuple(map(tuple, rows)), about=about)


def page():
    """Make the screen; Textual is imported only now."""
    from gradrepl.tui.pages.page import PaperPage
    from gradrepl.tui.panels.base import Panel

    class Picture(PaperPage):
        VIEW = "picture"

        async def renew(self, ask):
            name = chosen["expression"]
            dots = await ask(AskDots(of=name)) if name else None
            if not isinstance(dots, Dots):
                self.paper.write([[(" :picture EXPR draws a tensor here.", "dim")]])
                return
            self.paper.caption(name, dots.about)
            rows = scaled(dots.rows, self.paper.room, 2 * max(2, self.paper.size.height))
            ascii = [[(line, "")] for line in ramp(rows)] if Panel.ascii else None
            self.paper.write(ascii or list(halves(rows)))

    return Picture()


@gradrepl.hookimpl
def gradrepl_views():
    from gradrepl.tui.keys import COMMAND, COPY, HELP, QUIT
    from gradrepl.tui.views import View

    feet = (COPY, COMMAND, HELP, QUIT)
    return [View("picture", "8", "Pic", "A tensor as a picture", "pic-screen", feet, page=page)]
