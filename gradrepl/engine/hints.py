"""What to do about the errors of autograd that everybody meets, by stable parts of their text."""

from __future__ import annotations

import msgspec

from gradrepl.model import Error

HINTS = {
    "modified by an inplace operation": "A value that this backward needs was overwritten after "
    "the forward saved it: compute out of place, or clone it before the write.",
    "backward through the graph a second time": "The first backward freed this graph: run the "
    "forward again, or give the first one retain_graph=True if both are meant.",
    "does not require grad and does not have a grad_fn": "The way to the leaves is cut (detach, "
    "no_grad, item, an integer dtype) or no leaf requires a gradient; ':t NAME' tells about one.",
    "grad can be implicitly created only for scalar outputs": "Reduce it with .sum() or .mean(), "
    "or give backward a gradient of its shape.",
    "a leaf Variable that requires grad is being used in an in-place": "Wrap the update in "
    "torch.no_grad(), or make a new tensor.",
    "appears to not have been used in the graph": "One of the inputs is not on the way; "
    "allow_unused=True gives None for it.",
    "you can only change requires_grad flags of leaf": "Use .detach() to get a tensor off the "
    "graph.",
    "can require gradients": "Only floating point and complex tensors have gradients: make it "
    "so with dtype=torch.float32.",
    "Can't call numpy() on Tensor that requires grad": "Use .detach().numpy(): the array shares "
    "memory, so a write to it changes the tensor unseen.",
    "Expected all tensors to be on the same device": "Move the odd one with .to(device); "
    "':t NAME' shows each tensor's device.",
    "must have the same dtype": "Cast one with .to(dtype); numpy's default is float64.",
    "shapes cannot be multiplied": "The last size of the first must equal the first size of the "
    "second; ':t NAME' shows shapes.",
}


def explain(error: Error) -> Error:
    """Return ``error`` with a hint, where we know one."""
    for part, hint in HINTS.items():
        if part in error.message:
            return msgspec.structs.replace(error, hint=hint)
    return error
