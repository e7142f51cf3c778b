"""What one call of torch's Python API is: an op or a mere question, its name, what it changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FrameType, FunctionType
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.forward import monkeypatched
from gradrepl.engine.tensor import facts
from gradrepl.model import Op, OpRow, Site

NODES = 64
"""Nodes searched for those that an op created."""
QUESTIONS = frozenset(
    """
    size dim ndimension numel nelement stride storage_offset is_contiguous is_floating_point
    is_complex is_inference is_conj is_neg is_signed is_pinned is_shared is_same_size
    is_set_to is_tensor is_storage is_nonzero is_coalesced element_size data_ptr
    untyped_storage storage storage_type _typed_storage get_device type qscheme has_names
    dense_dim sparse_dim result_type can_cast promote_types broadcast_shapes is_grad_enabled
    is_inference_mode_enabled _is_view _is_all_true _use_count
    _has_compatible_shallow_copy_type _nnz _dimI _dimV _version register_hook
    register_post_accumulate_grad_hook retain_grad requires_grad_ backward _set_grad_enabled
    set_grad_enabled _record_function_enter_new _record_function_exit _record_function_enter
    _assert_async typename device dtype Generator finfo iinfo Size
    get_default_dtype get_default_device __len__ __repr__ __str__ __format__ __hash__ __dir__ 
    __reduce__ __reduce_ex__ __setstate__ __deepcopy__ __torch_dispatch__ _make_subclass
    _make_wrapper_subclass refine_names rename share_memory_ set_warn_always names align_as
    align_to _is_zerotensor __dlpack_device__
    """.split()  # noqa: SIM905
)
"""Names of calls that compute no tensor: they are not stopped at and not recorded."""

SILENT = frozenset(
    """
    size dim numel stride is_contiguous is_floating_point is_complex element_size data_ptr
    get_device _set_grad_enabled _record_function_enter_new _record_function_exit
    _record_function_exit._RecordFunction is_same_size _is_view is_inference
    """.split()  # noqa: SIM905
)
"""Those of the questions that optimizers and modules ask all the time."""
VIEWS_BY_ATTRIBUTE = frozenset(["T", "mT", "H", "mH", "real", "imag", "data"])
CHANGING = frozenset(
    """
    __setitem__ __iadd__ __isub__ __imul__ __itruediv__ __ifloordiv__ __imod__ __ipow__
    __iand__ __ior__ __ixor__ __ilshift__ __irshift__
    """.split()  # noqa: SIM905
)


class Kind:
    """What is known of a function of torch's once and for all."""

    __slots__ = ("changes", "foreign", "is_op", "name", "of_leaf", "python", "silent")

    def __init__(self, function: Any) -> None:
        name = getattr(function, "__name__", type(function).__name__)
        self.of_leaf = False
        """Reads ``.grad``, which warns only where the tensor is not a leaf."""
        self.python = isinstance(function, FunctionType)
        """Written in Python: it may make calls of torch's API that ``into`` can show."""
        self.foreign = monkeypatched.foreign(function)
        if name in ("__get__", "__set__", "__delete__"):
            attribute = getattr(getattr(function, "__self__", None), "__name__", "")
            self.is_op = attribute in VIEWS_BY_ATTRIBUTE and name != "__delete__"
            self.silent = not self.is_op and (name, attribute) not in (
                ("__get__", "grad"),
                ("__get__", "names"),
                ("__set__", "names"),
            )
            self.of_leaf = (name, attribute) == ("__get__", "grad")
            self.name = attribute + (" =" if name == "__set__" else "")
        else:
            module = getattr(function, "__module__", "") or ""
            self.is_op = (
                name not in QUESTIONS
                and not name.startswith(("_record_function", "_set_"))
                and module not in ("torch.autograd", "torch.autograd.graph")
            )
            self.name = name
            self.silent = name in SILENT
        """``silent``: no op, runs no Python and never warns: it can be passed on as it is."""
        self.changes = self.python or name in CHANGING or (name[-1:] == "_" and name[-2:] != "__")


_kinds: dict[Any, Kind] = {}


def kind(function: Any) -> Kind:
    """Return what ``function`` is, from a cache."""
    try:
        found = _kinds.get(function)
    except TypeError:  # not hashable
        return Kind(function)
    if found is None:
        found = _kinds[function] = Kind(function)
    return found


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in arguments or results, through lists, tuples and dicts."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)


class Call:
    """One op while it runs, and, once ``settle`` was called, the little that is kept of it."""

    __slots__ = (
        "args",
        "bumped",
        "depth",
        "dtype",
        "duration",
        "frame",
        "function",
        "id",
        "kwargs",
        "mode",
        "module",
        "module_class",
        "module_frames",
        "name",
        "result",
        "seq",
        "seq_end",
        "shape",
        "site",
        "started",
        "versions",
    )

    id: int
    name: str
    function: Callable[..., Any] | None
    args: Any
    kwargs: Any
    result: Any
    frame: FrameType | None
    site: Site | None
    module_frames: list[FrameType]
    module: str
    module_class: str
    seq: int
    seq_end: int
    shape: tuple[int, ...] | None
    dtype: str
    mode: str
    depth: int
    duration: float
    started: float
    versions: list[tuple[torch.Tensor, int]] | None
    bumped: tuple[str, ...]

    def note_versions(self) -> None:
        """Remember the versions of the inputs, before the op runs."""
        self.versions = [
            (tensor, tensor._version)
            for tensor in tensors_in((self.args, self.kwargs))
            if not tensor.is_inference()
        ]

    def note_bumps(self) -> None:
        """Compare the versions, after the op ran."""
        if self.versions:
            self.bumped = tuple(
                f"input {index}: v{before} -> v{tensor._version}"
                for index, (tensor, before) in enumerate(self.versions)
                if tensor._version != before
            )
            self.versions = None

    def note_result(self) -> torch.Tensor | None:
        """Keep shape and dtype of the first output, and return it."""
        first = next(tensors_in(self.result), None)
        if first is not None:
            self.shape = facts.shape(first)
            self.dtype = facts.short(first.dtype)
        return first

    def settle(self) -> None:
        """Let go of everything of the user's."""
        self.function = self.args = self.kwargs = self.result = self.versions = None
        self.frame = None
        self.module_frames = []

    def _node_names(self) -> list[str]:
        """Return the names of the nodes that the op created, outputs first; while it is held."""
        found = tensors_in(self.result)
        outputs = (facts.node_of(each) for each in found if each.requires_grad)
        todo = list(dict.fromkeys(outputs))
        names = []
        for node in todo:
            if node is None or not self.seq <= node._sequence_nr() < self.seq_end:
                continue
            names.append(str(node.name()).rpartition("::")[2])
            more = [target for target, _ in node.next_functions if target not in todo]
            todo += more[: NODES - len(todo)]
        return names

    def record(self, name_of: Callable[[torch.Tensor], str], when: str, figures: bool = True) -> Op:
        """Return the full record: only while the op is held."""
        inputs = list(tensors_in((self.args, self.kwargs)))
        outputs = list(tensors_in(self.result)) if when == "after" else []
        with torch_private.DisableTorchFunction():
            nodes = tuple(self._node_names())
        return Op(
            id=self.id,
            name=self.name,
            site=self.site,
            module=self.module,
            module_class=self.module_class,
            inputs=tuple(facts.describe(t, name_of(t), figures=figures) for t in inputs[:16]),
            outputs=tuple(facts.describe(t, name_of(t), figures=figures) for t in outputs[:16]),
            bumped=self.bumped,
            nodes=nodes if when == "after" else (),
            mode=self.mode,
            depth=self.depth,
            duration=self.duration,
        )

    def brief(self) -> Op:
        """Return the record of an op that is over: what was kept of it."""
        outputs: tuple[Any, ...] = ()
        return Op(
            id=self.id,
            name=self.name,
            site=self.site,
            module=self.module,
            module_class=self.module_class,
            outputs=outputs,
            bumped=self.bumped,
            mode=self.mode,
            depth=self.depth,
            duration=self.duration,
        )

    def row(self) -> OpRow:
        """Return what lists and files have of it."""
        return OpRow(
            id=self.id,
            name=self.name,
            site=self.site,
            module=self.module,
            module_class=self.module_class,
            outputs=() if self.shape is None else (self.shape,),
            dtype=self.dtype,
            mode=self.mode,
            changed=self.bumped,
            depth=self.depth,
            begin=self.started,
            seconds=self.duration,
            sequence=(self.seq, self.seq_end),
        )
