"""What ``:help WORD`` explains besides the commands: breakpoints by kind, names at a stop."""

from __future__ import annotations

from gradrepl.conditions import KINDS, kinds

AFTER = "Conditions are joined by 'and' and 'or'; ', PYTHON' behind them must be true, too."
NAMES = {
    "gin": "$gin is grad_in: the gradients that arrive at this node, at a stop in the backward.\n"
    "'grad_in[0] = ...' replaces one for this run.",
    "gout": "$gout is grad_out: what this node has passed on; known after ':finish'.",
    "node": "$node is node: the node of the graph that the engine stands at.",
    "leaf": "$leaf is leaf: the parameter whose gradient arrives, at an AccumulateGrad node.",
    "inputs": "inputs: what the op here was given, at a stop in the forward.",
    "outputs": "outputs: what the op here made, as a tuple; out where that is one tensor.",
    "out": "out: what the op here made, at a stop in the forward; it is not assigned yet.",
    "#": "#7 is a node of this backward, by its place in the engine's order: ':node 7'.",
    "%": "%12 is a recorded op: ':op 12'.",
    "@": "@3 is a storage: the memory that tensors lie in: ':mem'.",
}
"""Names that are there at a stop, without the dollar; and the marks before numbers."""
LONG = {"grad_in": "gin", "grad_out": "gout"}


def topic(word: str) -> tuple[str, str] | None:
    """Return title and text about ``word``, where it is a name at a stop or begins a condition."""
    bare = LONG.get(word, word.removeprefix("$"))
    parts = []
    if bare in NAMES:
        parts.append(NAMES[bare])
    if word in KINDS:
        parts.append(f"{KINDS[word].help}\n{AFTER}")
    if word in ("and", "or", "breakpoint", "condition"):
        parts.append("\n".join([*(kind.help for kind in kinds()), AFTER]))
    return (word, "\n".join(parts)) if parts else None


def every() -> list[str]:
    """Return the words that are explained here."""
    return [*KINDS, *NAMES, *(f"${name}" for name in NAMES if name.isalpha()), *LONG]
