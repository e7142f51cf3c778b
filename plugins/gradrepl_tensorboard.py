"""``:tensorboard FOLDER``: what ``:watch grads`` keeps, as event files for TensorBoard.

Writes the norm of each parameter's gradient, their total and the loss over the backwards that
are kept. Needs the package ``tensorboard``, which ``torch.utils.tensorboard`` writes with.
"""

import gradrepl
from gradrepl import model, protocol
from gradrepl.commands.registry import Path, command
from gradrepl.errors import StateError, UsageError

MOST = 2000
"""Parameters that are written."""


class WriteEvents(protocol.Request, frozen=True, kw_only=True):
    """Write curves as event files."""

    folder: str
    curves: dict[str, tuple[tuple[int, float | None], ...]]
    """By name: (backward, value)."""


@command("tensorboard", group="Health")
async def tensorboard(talk, folder: Path):
    """Write the gradients' norms that are kept into FOLDER, for TensorBoard."""
    health = await talk.ask(protocol.AskHealth(count=MOST))
    if not isinstance(health, model.Health):
        return health
    if not health.points:
        raise StateError(
            "no gradient has been watched yet.", "':watch grads', then let some backwards run."
        )
    curves = {f"gradient norm/{row.name}": _kept(row.history, health) for row in health.rows}
    curves["gradient norm/all"] = tuple((at.backward, at.total) for at in health.points)
    curves["loss"] = tuple((at.backward, at.loss) for at in health.points)
    return await talk.ask(WriteEvents(folder=folder, curves=curves))


def _kept(history, health):
    """Return (backward, norm) of the last looks: a history ends at the last of them."""
    backwards = [at.backward for at in health.points][-len(history) :] if history else []
    return tuple(zip(backwards, history[-len(backwards) :] if backwards else (), strict=True))


@gradrepl.hookimpl
def gradrepl_commands():
    return [tensorboard]


@gradrepl.hookimpl
def gradrepl_answer(request):
    if not isinstance(request, WriteEvents):
        return None
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError(
            "the package tensorboard is not installed here.", "pip install tensorboard"
        ) from None
    folder, count = request.folder, 0
    try:
        writer = SummaryWriter(folder)
    except OSError as error:
        raise UsageError(f"'{folder}' cannot be written to: {error.strerror}.") from None
    with writer:
        for name, curve in request.curves.items():
            for step, value in curve:
                if value is not None:
                    writer.add_scalar(name, value, step)
                    count += 1
    shown = f"tensorboard --logdir {folder}"
    return model.Notice(message=f"{count} figures are in '{folder}': '{shown}' shows them.")
