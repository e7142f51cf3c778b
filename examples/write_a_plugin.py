"""A plugin is one file: a word, a kind of breakpoint, a fact about tensors, an eye on stops.

Try:
    gradrepl --plugin examples/write_a_plugin.py examples/write_a_plugin.py
    b sparse 0.9             then c: stops at the op whose result is zero nearly everywhere
    :rank weight             asks the debuggee's half, where torch is
    :t weight                now says how many of its elements are zero
"""

import gradrepl
from gradrepl import protocol
from gradrepl.commands.registry import Expression, command
from gradrepl.errors import UsageError
from gradrepl.model import Table
from gradrepl.plugins import Kind

# -- the half in the face: it draws and asks, and never has torch ------------------------------


@command("rank", group="Looking")
async def rank(talk, expression: Expression):
    """Show the singular values of a matrix, and how many of them count."""
    return await talk.ask(protocol.AskPlugin(question="rank", arguments={"of": expression}))


@gradrepl.hookimpl
def gradrepl_commands():
    return [rank]


# -- the half in the debuggee: where the tensors are -------------------------------------------


@gradrepl.hookimpl
def gradrepl_answer(question, arguments, evaluate):
    if question != "rank":
        return None
    import torch

    matrix = evaluate(arguments["of"])
    if not isinstance(matrix, torch.Tensor) or matrix.dim() != 2:
        raise UsageError(f"{arguments['of']} is no matrix.")
    values = torch.linalg.svdvals(matrix.detach().double()).tolist()
    count = sum(value > 1e-6 * values[0] for value in values)
    rows = tuple((str(place), f"{value:.4g}") for place, value in enumerate(values[:8]))
    return Table(title=f"rank {count}", columns=("", "singular value"), rows=rows)


@gradrepl.hookimpl
def gradrepl_facts(tensor, name):
    return [("zeros", f"{(tensor == 0).sum().item()} of {tensor.numel()}")]


def zeros(event, text):
    """Is the share of zeros in the op's result beyond the number after the word?"""
    out = event.extra().get("out")
    return out is not None and (out == 0).double().mean().item() > float(text or 0.5)


@gradrepl.hookimpl
def gradrepl_conditions():
    help = "sparse SHARE: an op's result is zero in more than SHARE of its elements"
    return [Kind(word="sparse", help=help, matches=zeros, about=("op",))]


if __name__ == "__main__":
    import torch

    torch.manual_seed(0)
    weight = torch.randn(6, 2) @ torch.randn(2, 5)
    weight.requires_grad_()
    hidden = torch.relu(torch.randn(3, 6) @ weight - 6)
    loss = hidden.sum() + weight.square().mean()
    loss.backward()
    print(f"|grad| {weight.grad.norm():.4f}")
