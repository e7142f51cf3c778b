"""What ``:help WORD`` explains besides the commands: breakpoints by kind, names at a stop."""

from __future__ import annotations

CONDITIONS = {
    "line": "b 27, b train.py:27: before the line runs.",
    "function": "b forward: before the first line of a function of that name.",
    "op": "b op relu: after a call of torch's API by that name; op *_entropy takes any start.",
    "node": "b node Addmm*: before a node of the backward, by its class name.",
    "mod": "b mod fc1: at the first op of that module, and at its nodes in the backward.",
    "leaf": "b leaf fc1.weight: in the backward, where this parameter's gradient is whole.",
    "name": "b name h: after an op whose result is assigned to the variable h.",
    "nan": "b nan: after the op, or before the node, at which a NaN is born.",
    "inf": "b inf: after the op, or before the node, at which an infinity is born.",
    "norm": "b norm > 10, b norm < 1e-6: before a node whose arriving gradient has such a norm.",
    "none": "b none: at the end of a backward in which a parameter got no gradient.",
    "verdict": "b verdict vanishing: where ':watch grads' comes to that verdict on a parameter.",
    "shape": "b shape (64, -1): after an op with a result of that shape; -1 is any size.",
    "batch": "b batch 7: when the program gets batch 7 of an epoch from a DataLoader.",
    "index": "b index 40: when the program gets a batch with dataset[40] in it.",
    "label": "b label cat: when the program gets a batch with a sample of that label in it.",
}
"""By the word that a condition begins with: how it is written, and where it stops."""
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
    if word in CONDITIONS:
        parts.append(f"{CONDITIONS[word]}\n{AFTER}")
    if word in ("and", "or", "breakpoint", "condition"):
        parts.append("\n".join([*CONDITIONS.values(), AFTER]))
    return (word, "\n".join(parts)) if parts else None


def every() -> list[str]:
    """Return the words that are explained here."""
    return [*CONDITIONS, *NAMES, *(f"${name}" for name in NAMES if name.isalpha()), *LONG]
