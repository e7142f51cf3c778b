"""A plugin is one file: here a word, a kind of breakpoint, and a fact that ':t' shows.

Try:
    gradrepl --plugin examples/write_a_plugin.py examples/write_a_plugin.py
    b sparse 0.9             then c: stops at the op whose result is zero nearly everywhere
    :rank weight             asks the debuggee's half, where torch is
    :t weight                now says how many of its elements are zero
"""

import gradrepl
from gradrepl import model, protocol
from gradrepl.commands.registry import Expression, command
from gradrepl.conditions import OP, Kind


class AskRank(protocol.Request, frozen=True):
    of: str


@command("rank", group="Looking")  # in the client, which has no torch
async def rank(talk, expression: Expression):
    """Show the singular values of a matrix, and how many of them count."""
    return await talk.ask(AskRank(of=expression))


@gradrepl.hookimpl
def gradrepl_answer(request, here):  # in the debuggee, where the tensors are
    if isinstance(request, AskRank):
        matrix = f"({request.of}).detach().double().flatten(0, -2)"
        values = here.evaluate(f"torch.linalg.svdvals({matrix}).tolist()") or [0.0]
        title = f"rank {sum(value > 1e-6 * values[0] for value in values)}"
        rows = tuple((str(place), f"{value:.4g}") for place, value in enumerate(values[:8]))
        return model.Table(title=title, columns=("", "singular value"), rows=rows)


@gradrepl.hookimpl
def gradrepl_facts(tensor, name):
    return [("zeros", f"{(tensor == 0).sum().item()} of {tensor.numel()}")]


class Sparse(Kind, frozen=True):  # read in both, asked in the debuggee
    share: float
    word, usage, about = "sparse", "sparse SHARE", frozenset({OP})
    help = "b sparse 0.9: after an op whose result is zero in more than 0.9 of its elements."

    def matches(self, event):
        out = event.extra().get("out")
        return out is not None and (out == 0).double().mean().item() > self.share


gradrepl_commands = gradrepl.hookimpl(lambda: [rank])
gradrepl_conditions = gradrepl.hookimpl(lambda: [Sparse])


if __name__ == "__main__":
    import torch

    weight = (torch.randn(6, 2) @ torch.randn(2, 5)).requires_grad_()
    (torch.relu(torch.randn(3, 6) @ weight - 6).sum() + weight.square().mean()).backward()
