"""What to do about the errors of autograd that everybody meets, by stable parts of their text."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from gradrepl.model import Error

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

STALE = "modified by an inplace operation"
HINTS = {
    STALE: "A value that this backward needs was overwritten after "
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
    "support the deepcopy protocol": "A tensor that is no leaf cannot be deep-copied: detach it, "
    "or drop it before the copy.",
    "can't optimize a non-leaf Tensor": "It was computed (.to, * or another op): give the "
    "optimizer the leaf itself; ':leaf NAME' tells about one.",
    "optimizer got an empty parameter list": "Layers in a plain list are not seen: use "
    "nn.ModuleList; ':mods' shows which parameters are in no module.",
    "attempting to assign a gradient of size": "A gradient has the shape of its tensor.",
    "attempting to assign a gradient with dtype": "A gradient has the dtype of its tensor.",
    "nference tensors cannot be saved for backward": "Clone it outside of inference_mode, or "
    "make it under torch.no_grad().",
    "nplace update to inference tensor": "Clone it outside of inference_mode, or make it under "
    "torch.no_grad().",
    "function that returns multiple views": "Write out of place, or clone this one of the views "
    "(split, unbind, chunk) first.",
    "A view was created in no_grad mode": "Make the view and write to it both inside "
    "torch.no_grad(), or both outside.",
    "This view was created inside a custom Function": "Clone it before the write, or do not write "
    "in place (inplace=False).",
    "incorrect number of gradients": "backward returns one gradient, or None, for each argument "
    "of forward.",
    "returned an invalid gradient at index": "A gradient has the shape of its input: sum over "
    "the dimensions along which the forward broadcast it.",
    "as parameter '": "A Parameter stays one: write into it under torch.no_grad() with copy_(), "
    "or wrap the new value in nn.Parameter.",
    "differentiated Tensors does not require grad": "':leaf NAME' tells why one does not.",
    "can't retain_grad on Tensor": "':leaf NAME' tells why it does not require a gradient.",
    "cannot register a hook on a tensor that doesn't": "':leaf NAME' tells why it does not.",
    "hooks cannot be registered on non-leaf tensors": "register_hook is for tensors that are no "
    "leaves.",
    "Expected all tensors to be on the same device": "Move the odd one with .to(device); "
    "':t NAME' shows each tensor's device.",
    "must have the same dtype": "Cast one with .to(dtype); numpy's default is float64.",
    "shapes cannot be multiplied": "The last size of the first must equal the first size of the "
    "second; ':t NAME' shows shapes.",
}

UNRECORDED = "With ':b nan' set before the run ops are recorded, and this names the line."


def explain(error: Error) -> Error:
    """Return ``error`` with a hint, where we know one."""
    for part, hint in HINTS.items():
        if part in error.message:
            return msgspec.structs.replace(error, hint=hint)
    return error


def about(error: Error, raised: BaseException, session: Session, place: Place) -> Error:
    """Return ``error`` with a hint, and with what only torch and the recorder know of it."""
    error = explain(error)
    if not session.stepper.torch_here:
        return error
    for _ in range(2):
        with suppress(RuntimeError):  # torch's handler of SIGCHLD says that a worker has ended
            return _looked_up(error, raised, session, place)
    return error


def _looked_up(error: Error, raised: BaseException, session: Session, place: Place) -> Error:
    from gradrepl.engine.explain.inplace import name_the_write
    from gradrepl.engine.explain.loader_errors import name_the_sample
    from gradrepl.engine.explain.mismatched import name_the_odd_one
    from gradrepl.engine.explain.tensor_errors import name_the_tensor

    error = name_the_sample(error, raised, session)
    error = name_the_odd_one(error, raised, session, place)
    error = name_the_write(name_the_tensor(error, raised, session, place), session, place)
    stale = STALE in error.message and " written by" not in error.hint
    if stale or "not recorded" in error.hint:
        return msgspec.structs.replace(error, hint=f"{error.hint} {UNRECORDED}")
    return error
