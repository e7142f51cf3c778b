"""What an error is about and what to do: by its message, as far as torch, ops and the line tell."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import torch
from msgspec import structs

from gradrepl.engine.explain import loader_errors, tensor_errors
from gradrepl.engine.explain.failed_line import Failure, first_tensor
from gradrepl.engine.graph.nodes import STALE
from gradrepl.engine.tensor import facts, figures
from gradrepl.model import Error

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

UNRECORDED = "With ':b nan' set before the run ops are recorded, and this names the line."


class Known(NamedTuple):
    """An error that everybody meets."""

    hint: str
    """What to do about it, whatever it is about."""
    tell: Callable[[Failure], str] | None = None
    """Says instead what it is about; '' where it cannot tell."""


def explained(error: Error, raised: BaseException, session: Session, place: Place) -> Error:
    """Return ``error`` with a hint, where we know one."""
    rows = [known for part, known in KNOWN.items() if part in error.message]
    hint = next((known.hint for known in rows if known.hint), error.hint)
    for _ in range(2):
        with suppress(RuntimeError):  # torch's handler of SIGCHLD says that a worker has ended
            sample = loader_errors.name_the_sample(error.message, raised, session)
            hint = _hint(Failure(raised, error.message, sample or hint, session, place), rows)
            break
    return structs.replace(error, hint=hint) if hint else error


def _hint(failure: Failure, rows: list[Known]) -> str:
    with figures.quiet():
        sentences = (known.tell(failure) for known in rows if known.tell is not None)
        hint = next(filter(None, sentences), failure.hint)
    stale = STALE in failure.message and " written by" not in hint
    return f"{hint} {UNRECORDED}" if stale or "not recorded" in hint else hint


def _is_computed(tensor: torch.Tensor) -> bool:
    return not facts.is_leaf(tensor)


def _is_integer(tensor: torch.Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex())


def _requires_grad(tensor: torch.Tensor) -> bool:
    return tensor.requires_grad


WITHOUT_GRAD = first_tensor(lambda t: not t.requires_grad, "{t.why}")
INFERENCE = first_tensor(
    lambda t: t.is_inference(),
    "'{t.name}' was made under inference_mode{t.by}: {t.name}.clone() outside of it is a "
    "normal tensor; torch.no_grad() instead makes normal ones at once.",
)
OTHER_DEVICE = Known("", tensor_errors.name_the_device)
OTHER_DTYPE = Known("", tensor_errors.name_the_dtype)
KNOWN = {
    STALE: Known(
        "A value that this backward needs was overwritten after the forward saved it: compute out "
        "of place, or clone it before the write.",
        tensor_errors.name_the_write,
    ),
    "cbreak() returned ERR": Known(
        "It draws on a terminal, and here its output is none: 'gradrepl --repl' lends it yours."
    ),
    "backward through the graph a second time": Known(
        "The first backward freed this graph: run the forward again before this one, or detach() "
        "what is carried over from an earlier step; retain_graph=True is for two backwards of one "
        "forward."
    ),
    "does not require grad and does not have a grad_fn": Known(
        "The way to the leaves is cut (detach, no_grad, item, an integer dtype) or no leaf "
        "requires a gradient; ':t NAME' tells about one.",
        WITHOUT_GRAD,
    ),
    "grad can be implicitly created only for scalar": Known(
        "Reduce it with .sum() or .mean(), or give backward a gradient of its shape.",
        first_tensor(
            lambda t: t.requires_grad and t.numel() != 1,
            "'{t.name}' has shape {t.shape}: use {t.name}.sum() or {t.name}.mean(), or give a "
            "gradient of that shape: {t.name}.backward(torch.ones{t.shape}).",
        ),
    ),
    "leaf Variable that requires grad is being used in an in-place": Known(
        "Wrap the update in torch.no_grad(), or make a new tensor.", tensor_errors.explain_in_place
    ),
    "appears to not have been used in the graph": Known(
        "One of the inputs is not on the way; allow_unused=True gives None for it.",
        tensor_errors.explain_unused,
    ),
    "you can only change requires_grad flags of leaf": Known(
        "Use .detach() to get a tensor off the graph.",
        first_tensor(
            _is_computed,
            "{t.why} {t.name}.detach() is a tensor off the graph; to freeze a part of a model, "
            "set requires_grad of its leaves before the forward.",
        ),
    ),
    "can require gradients": Known(
        "Only floating point and complex tensors have gradients: make it so with "
        "dtype=torch.float32.",
        first_tensor(
            _is_integer,
            "'{t.name}' has dtype {t.dtype}; it was made{t.by}. Make it a float where it is made "
            "(dtype=torch.float32), or use {t.name}.float().",
            otherwise=" so",
        ),
    ),
    "Can't call numpy() on Tensor that requires grad": Known(
        "Use .detach().numpy(): the array shares memory, so a write to it changes the tensor "
        "unseen.",
        first_tensor(
            _requires_grad,
            "{t.why} {t.name}.detach().numpy() shares its memory: a write to the array changes "
            "the tensor, and autograd does not see it; {t.name}.detach().clone().numpy() is a "
            "copy.",
        ),
    ),
    "support the deepcopy protocol": Known(
        "A tensor that is not a leaf cannot be deep-copied: detach it, or drop it before the copy.",
        tensor_errors.explain_deepcopy,
    ),
    "can't optimize a non-leaf Tensor": Known(
        "It was computed (.to, * or another op): give the optimizer the leaf itself; ':leaf NAME' "
        "tells about one.",
        first_tensor(
            _is_computed,
            "{t.why} Give the optimizer the leaf that it was computed from, or {t.name} = "
            "{t.name}.detach().requires_grad_().",
        ),
    ),
    "optimizer got an empty parameter list": Known(
        "Layers in a plain list are not seen: use nn.ModuleList; ':mods' shows which parameters "
        "are in no module.",
        tensor_errors.explain_no_parameters,
    ),
    "attempting to assign a gradient of size": Known("A gradient has the shape of its tensor."),
    "attempting to assign a gradient with dtype": Known("A gradient has the dtype of its tensor."),
    "nference tensors cannot be saved for backward": Known(
        "Clone it outside of inference_mode, or make it under torch.no_grad().", INFERENCE
    ),
    "nplace update to inference tensor": Known(
        "Clone it outside of inference_mode, or make it under torch.no_grad().", INFERENCE
    ),
    "function that returns multiple views": Known(
        "Write out of place, or clone this one of the views (split, unbind, chunk) first."
    ),
    "A view was created in no_grad mode": Known(
        "Make the view and write to it both inside torch.no_grad(), or both outside.",
        first_tensor(
            lambda t: t._is_view(),
            "'{t.name}' is a view made{t.by}: make the view and write to it both inside "
            "torch.no_grad(), or both outside.",
            otherwise=" under no_grad",
        ),
    ),
    "This view was created inside a custom Function": Known(
        "Clone it before the write, or do not write in place (inplace=False).",
        tensor_errors.name_the_hook,
    ),
    "incorrect number of gradients": Known(
        "backward returns one gradient, or None, for each argument of forward.",
        tensor_errors.explain_returned,
    ),
    "returned an invalid gradient at index": Known(
        "A gradient has the shape of its input: sum over the dimensions along which the forward "
        "broadcast it.",
        tensor_errors.explain_returned,
    ),
    "as parameter '": Known(
        "A Parameter stays one: write into it under torch.no_grad() with copy_(), or wrap the new "
        "value in nn.Parameter."
    ),
    "differentiated Tensors does not require grad": Known(
        "':leaf NAME' tells why one does not.", WITHOUT_GRAD
    ),
    "can't retain_grad on Tensor": Known(
        "':leaf NAME' tells why it does not require a gradient.", WITHOUT_GRAD
    ),
    "cannot register a hook on a tensor that doesn't": Known(
        "':leaf NAME' tells why it does not.", WITHOUT_GRAD
    ),
    "hooks cannot be registered on non-leaf tensors": Known(
        "register_hook is for tensors that are not leaves.",
        first_tensor(_is_computed, "{t.why} A leaf is the place for this hook."),
    ),
    "Expected all tensors to be on the same device": Known(
        "Move the odd one with .to(device); ':t NAME' shows each tensor's device.",
        tensor_errors.name_the_device,
    ),
    "must have the same dtype": Known(
        "Cast one with .to(dtype); numpy's default is float64.", tensor_errors.name_the_dtype
    ),
    "shapes cannot be multiplied": Known(
        "The last size of the first must equal the first size of the second; ':t NAME' shows "
        "shapes."
    ),
    "requires_grad=True on inference tensor": Known("", INFERENCE),
    "is not on the expected device": OTHER_DEVICE,
    "are not at the same device": OTHER_DEVICE,
    "should be either on cpu or on the same device": OTHER_DEVICE,
    "on cpu, but expected on cuda": OTHER_DEVICE,
    "but expected them to be on cuda": OTHER_DEVICE,
    "should be the same": Known("", tensor_errors.name_the_type),
    "same dtype": OTHER_DTYPE,
    "expected scalar type": OTHER_DTYPE,
    "Found dtype": OTHER_DTYPE,
    "same scalar type": OTHER_DTYPE,
    "must share same datatype": OTHER_DTYPE,
    "does not match weight dtype": OTHER_DTYPE,
    "input must have the type": OTHER_DTYPE,
    "expected dtype": OTHER_DTYPE,
    "same type": OTHER_DTYPE,
    "self.dtype to be equal to": OTHER_DTYPE,
}
"""By a stable part of torch's message; of several rows the first that can tell."""
