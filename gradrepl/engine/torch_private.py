"""Every private part of torch that gradrepl uses, with what takes its place where a torch lacks it.

No other file reaches for one (tests/test_house.py holds that). ``gradrepl doctor`` tells which are
missing in the torch at hand and what is therefore not there: each has its sentence below.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch

NO_OPS = "Forward ops are not recorded."
SEEN = "What gradrepl computes is seen by dispatch modes of the program."
_NOWHERE = -1
"""What torch answers for the running backward where none runs."""


class Missing(NamedTuple):
    """A private part that this torch has not."""

    part: str
    """Its dotted name."""
    lost: str
    """What is therefore slower or not there, as a sentence."""


missing: list[Missing] = []
used: list[str] = []
"""Dotted names of all parts, present or not."""


def _part(path: str, otherwise: Any, lost: str) -> Any:
    """Return what ``path`` names, or ``otherwise``: a closed door must not end the program."""
    used.append(path)
    module, *names = _split(path)
    value: Any = module
    for name in names:
        value = getattr(value, name, None)
    if value is None:
        missing.append(Missing(path, lost))
        return otherwise
    return value


def _split(path: str) -> list[Any]:
    """Return the innermost module of a dotted path, and the names that follow it."""
    owner, _, name = path.rpartition(".")
    try:
        return [importlib.import_module(owner), name]
    except ImportError:
        return [*_split(owner), name] if owner else [None, name]


def _nothing(*_: Any) -> None:
    return None


def _answers(value: Any) -> Callable[..., Any]:
    return lambda *_: value


class _NoMode:
    """The base class of a mode of a torch that has no such modes."""

    def __enter__(self) -> _NoMode:
        return self

    def __exit__(self, *error: object) -> None:
        return None


class _NoIterator:
    """Stands for a kind of iterator that this torch has not: nothing is one."""

    def __next__(self) -> Any:
        raise StopIteration


# -- modes ---------------------------------------------------------------------------------------

DisableTorchFunction: Any = _part(
    "torch._C.DisableTorchFunction",
    nullcontext,
    "What gradrepl computes is seen by function modes of the program.",
)
modes: Callable[[], int] = _part("torch._C._len_torch_function_stack", _answers(0), NO_OPS)
mode_at: Callable[[int], Any] = _part("torch._C._get_function_stack_at", _nothing, NO_OPS)
pop_mode: Callable[[], Any] = _part("torch._C._pop_torch_function_stack", _nothing, NO_OPS)
push_mode: Callable[[Any], None] = _part("torch._C._push_on_torch_function_stack", _nothing, NO_OPS)
DeviceContext: Any = _part(
    "torch.utils._device.DeviceContext",
    _NoMode,
    "A default device set by the program is not told from a mode.",
)
TorchDispatchMode: Any = _part(
    "torch.utils._python_dispatch.TorchDispatchMode",
    _NoMode,
    "'into' does not show the aten ops of a builtin.",
)
disable_dispatch_modes: Any = _part(
    "torch.utils._python_dispatch._disable_current_modes", nullcontext, SEEN
)
dispatch_mode: Callable[[], Any] = _part(
    "torch.utils._python_dispatch._get_current_dispatch_mode", _nothing, SEEN
)
set_grad_enabled: Callable[[bool], None] = _part(
    "torch._C._set_grad_enabled", torch.set_grad_enabled, "Looking at values is slower."
)

profiling: Callable[[], bool] = _part(
    "torch._C._autograd._profiler_enabled",
    _answers(False),
    "Ops that look at values are in a profile that the program makes.",
)
record_for_profiles: Callable[[bool], None] = _part(
    "torch._C._autograd._enable_record_function",
    _nothing,
    "Ops that look at values are in a profile that the program makes.",
)
jit_trace: Callable[[], Any] = _part(
    "torch._C._get_tracing_state", _nothing, "Ops that look at values are in a torch.jit.trace."
)
_DYNAMO = "torch._C._dynamo.eval_frame."
_COMPILED = "A stop in a region that torch.compile runs may fail."
_how_to_run: Any = _part(f"{_DYNAMO}set_code_exec_strategy", _nothing, _COMPILED)
_strategy: Any = _part(f"{_DYNAMO}_FrameExecStrategy", _nothing, _COMPILED)
_action: Any = _part(f"{_DYNAMO}_FrameAction", None, _COMPILED)


def skip_code(code: Any) -> None:
    """Have torch.compile run a code object as it is, and not read it."""
    if _action is not None:
        _how_to_run(code, _strategy(_action.SKIP, _action.DEFAULT))


# -- autograd ------------------------------------------------------------------------------------

_ENGINE = "_engine_run_backward"
engine_itself: Any = _part(
    f"torch.autograd.graph.{_ENGINE}", None, "No backward is seen: nothing stops in one."
)
"""The one function that both ``backward`` and ``grad`` call, as torch made it."""


def engine() -> Any:
    """Return what ``torch.autograd`` calls for a backward just now: torch's own function, or one
    that stands in its place."""
    return getattr(torch.autograd, _ENGINE, engine_itself)


def set_engine(function: Any) -> None:
    """Have ``torch.autograd`` call this one for a backward."""
    setattr(torch.autograd, _ENGINE, function)


AccumulateGrad: Any = _part(
    "torch._C._functions.AccumulateGrad", type(None), "Leaves of a graph have no name."
)
sequence_number: Callable[[], int] = _part(
    "torch.autograd._get_sequence_nr", _answers(0), "Nodes are not told by the op that made them."
)
running_backward: Callable[[], int] = _part(
    "torch._C._current_graph_task_id",
    _answers(_NOWHERE),
    "A backward inside of another on the same graph is not told from it.",
)
running_node: Callable[[], Any] = _part(
    "torch._C._current_autograd_node", _nothing, "Hooks do not tell the node that they run on."
)
saved_hooks: Callable[[bool], Any] = _part(
    "torch._C._autograd._top_saved_tensors_default_hooks",
    _nothing,
    "saved_tensors_hooks of the program are not told of.",
)
tells_packed = (
    _part(
        "torch._C._autograd.SavedTensor.unpack_hook",
        None,
        "Values saved for the backward are not read: hooks of the program may have packed them.",
    )
    is not None
)
"""Does a saved value tell whether it was packed by ``saved_tensors_hooks``?"""
unpacked_alone: Callable[[Any], Any] | None = _part(
    "torch._C._autograd.SavedTensor.unpack",
    None,
    "Of several tensors that a node saved in one list, a changed one is told by its version.",
)
"""Read one saved tensor, as torch does with its checks."""
set_version_counter: Callable[..., Any] | None = _part(
    "torch._C._autograd._unsafe_set_version_counter",
    None,
    "Tensors that share a version counter are told by their views only.",
)

# -- tensors -------------------------------------------------------------------------------------

in_functorch: Callable[[Any], bool] = _part(
    "torch._C._functorch.is_functorch_wrapped_tensor",
    _answers(False),
    "Tensors inside of torch.func transforms are taken for plain ones.",
)
innermost_transform: Callable[[], Any] = _part(
    "torch._C._functorch.peek_interpreter_stack", _nothing, "torch.func transforms are not told of."
)
transforms: Callable[[], Any] = _part(
    "torch._C._functorch.get_interpreter_stack",
    _answers(()),
    "torch.func transforms are not told by name.",
)
has_overlap: Callable[[Any], int] = _part(
    "torch._debug_has_internal_overlap",
    _answers(2),
    "Views that lie on themselves are not told from dense ones.",
)
storage_behind: Callable[[int], Any] = _part(
    "torch.UntypedStorage._new_with_weak_ptr",
    _nothing,
    "Values that change without a new version are not noticed.",
)
norms: Callable[..., Any] = _part(
    "torch._foreach_norm",
    lambda tensors, order: [torch.linalg.vector_norm(each, order) for each in tensors],
    "Clipping is looked at one parameter at a time.",
)
clip_by_norm: Any = _part(
    "torch.nn.utils.clip_grad._clip_grads_with_norm_",
    torch.no_grad()(_nothing),
    "Clipping of gradients by their norm is not told of.",
)

_UNWRAPPED = "Functions of torch that the program has replaced are called through its wrapper."
in_c = (
    (torch.Tensor, _part("torch._C.TensorBase", None, _UNWRAPPED), "{}"),
    (torch, _part("torch._C._VariableFunctions", None, _UNWRAPPED), "{}"),
    (torch.nn.functional, _part("torch._C._nn", None, _UNWRAPPED), "{}"),
    (torch.linalg, _part("torch._C._linalg", None, _UNWRAPPED), "linalg_{}"),
    (torch.fft, _part("torch._C._fft", None, _UNWRAPPED), "fft_{}"),
    (torch.special, _part("torch._C._special", None, _UNWRAPPED), "special_{}"),
)
"""Where public names stand, where the functions in C behind them do, and those ones' names."""

# -- data and jobs -------------------------------------------------------------------------------

LoaderIterator: Any = _part(
    "torch.utils.data.dataloader._BaseDataLoaderIter", _NoIterator, "DataLoaders are not watched."
)
PlainIterator: Any = _part(
    "torch.utils.data.dataloader._SingleProcessDataLoaderIter",
    _NoIterator,
    "DataLoaders without workers are not watched.",
)
WorkersIterator: Any = _part(
    "torch.utils.data.dataloader._MultiProcessingDataLoaderIter",
    _NoIterator,
    "DataLoaders with workers are not watched.",
)
worker_module: Any = _part(
    "torch.utils.data._utils.worker", None, "Samples are not made as a worker makes them."
)
worker_signals: Any = _part(
    "torch.utils.data._utils.signal_handling",
    None,
    "DataLoaders with workers are not looked at in a copy.",
)
