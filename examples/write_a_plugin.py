"""A plugin is one file: here a word, a kind of breakpoint, and a fact that ':t' shows.

Try:
    gradrepl --plugin examples/write_a_plugin.py examples/write_a_plugin.py
    b sparse 0.9             then c: stops at the op whose result is zero nearly everywhere
    :rank weight             asks the debuggee's half, where torch is
    :t weight                now says how many of its elements are zero
"""

import gradrepl
from gradrepl import errors, model, protocol
from gradrepl.commands.registry import Expression, command
from gradrepl.conditions import OP, Kind


@command("rank", group="Looking")  # in the face, which has no torch
async def rank(talk, expression: Expression):
    """Show the singular values of a matrix, and how many of them count."""
    return await talk.ask(protocol.AskPlugin(question="rank", arguments={"of": expression}))


@gradrepl.hookimpl
def gradrepl_answer(question, arguments, evaluate):  # in the debuggee, where the tensors are
    if question == "rank":
        values = evaluate(f"torch.linalg.svdvals(({arguments['of']}).detach().double()).tolist()")
        if not values or isinstance(values[0], list):
            raise errors.UsageError(f"{arguments['of']} is no matrix.")
        count = sum(value > 1e-6 * values[0] for value in values)
        rows = tuple((str(place), f"{value:.4g}") for place, value in enumerate(values[:8]))
        return model.Table(title=f"rank {count}", columns=("", "singular value"), rows=rows)


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

    torch.manual_seed(0)
    weight = (torch.randn(6, 2) @ torch.randn(2, 5)).requires_grad_()
    hidden = torch.relu(torch.randn(3, 6) @ weight - 6)
    (hidden.sum() + weight.square().mean()).backward()
