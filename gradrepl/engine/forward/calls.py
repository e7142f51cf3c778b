"""What one call of torch's Python API is, an op or a mere question, and which function runs for it.

Torch asks a mode with what stands under the public name *now*. Where the user's program has
monkeypatched it, that is the user's wrapper, though it is the original that runs already, called by
that wrapper: to call it again would wrap twice. A function that is opened runs as a copy that does
not ask who overrides it, and each is called by a trampoline with the caller's file and line.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import CellType, CodeType, FrameType, FunctionType
from typing import Any

import torch

from gradrepl.engine import torch_private
from gradrepl.engine.code import frames
from gradrepl.engine.graph import nodes
from gradrepl.engine.graph.graph import Graph
from gradrepl.engine.tensor import facts
from gradrepl.model import Op, OpRow, Site

NODES = 512
"""Nodes searched for those that an op created."""
LISTED = 16
"""Inputs and outputs that a record describes."""
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


DISPATCH = torch.overrides.handle_torch_function.__code__
_rebuilt: dict[CodeType, Callable[..., Any]] = {}
_trampolines: dict[tuple[int, int], tuple[Callable[..., Any], CodeType]] = {}


class Kind:
    """What is known of a function of torch's once and for all."""

    __slots__ = ("changes", "foreign", "is_op", "name", "of_leaf", "python", "silent")

    def __init__(self, function: Any) -> None:
        name = getattr(function, "__name__", type(function).__name__)
        self.of_leaf = False
        """Reads ``.grad``, which warns only where the tensor is not a leaf."""
        self.python = isinstance(function, FunctionType)
        """Written in Python: it may make calls of torch's API that ``into`` can show."""
        self.foreign = foreign(function)
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
        own = self.python or isinstance(function, type)  # a Function of the program's
        self.changes = own or name in CHANGING or (name[-1:] == "_" and name[-2:] != "__")


_kinds: dict[Any, Kind] = {}


def kind(function: Any) -> Kind:
    """Return what ``function`` is, from a cache."""
    try:
        known = _kinds.get(function)
    except TypeError:  # not hashable
        return Kind(function)
    if known is None:
        known = _kinds[function] = Kind(function)
    return known


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


@dataclass(init=False, slots=True, eq=False, repr=False)
class Call:
    """One op while it runs, and, once ``settle`` was called, the little that is kept of it."""

    id: int
    name: str
    function: Callable[..., Any] | None
    args: Any
    kwargs: Any
    frame: FrameType | None
    site: Site | None
    module_frames: list[FrameType]
    module: str
    module_class: str
    depth: int
    mode: str
    seq: int
    seq_end: int
    """The numbers of the nodes that it made: from the first up to, not including, the second."""
    result: Any
    shape: tuple[int, ...] | None
    dtype: str
    """Of its first output."""
    begun: float
    """When we began to look at it."""
    duration: float
    started: float
    versions: list[tuple[torch.Tensor, int]] | None
    """Of its inputs, before it ran."""
    bumped: tuple[str, ...]

    def inputs(self) -> list[torch.Tensor]:
        """Return the tensors that it takes; while it is held."""
        return list(tensors_in((self.args, self.kwargs)))

    def note_versions(self) -> None:
        """Remember the versions of the inputs, before the op runs."""
        self.versions = [
            (tensor, tensor._version) for tensor in self.inputs() if not tensor.is_inference()
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

    def _node_names(self) -> tuple[str, ...]:
        """Return the names of the nodes that the op created, outputs first; while it is held."""
        outputs = (facts.node_of(each) for each in tensors_in(self.result) if each.requires_grad)
        with torch_private.DisableTorchFunction():
            made = Graph([node for node in outputs if node is not None], NODES).nodes
            mine = (node for node in made if self.seq <= node._sequence_nr() < self.seq_end)
            return tuple(map(nodes.name, mine))

    def _about(self) -> dict[str, Any]:
        """Return what every record has of it."""
        return {
            "id": self.id,
            "name": self.name,
            "site": self.site,
            "module": self.module,
            "module_class": self.module_class,
            "mode": self.mode,
            "depth": self.depth,
        }

    def record(self, name_of: Callable[[torch.Tensor], str], when: str) -> Op:
        """Return the full record: only while the op is held."""
        inputs = self.inputs()[:LISTED]
        outputs = list(tensors_in(self.result))[:LISTED] if when == "after" else []
        return Op(
            **self._about(),
            inputs=tuple(facts.describe(each, name_of(each)) for each in inputs),
            outputs=tuple(facts.describe(each, name_of(each)) for each in outputs),
            bumped=self.bumped,
            nodes=self._node_names() if when == "after" else (),
            duration=self.duration,
        )

    def brief(self, inputs: Sequence[torch.Tensor], name_of: Callable[[Any], str]) -> Op:
        """Return the record of an op that is over; ``inputs``: those that are alive still."""
        told = (facts.describe(each, name_of(each), figures=False) for each in inputs[:LISTED])
        kept = {"bumped": self.bumped, "duration": self.duration, "inputs": tuple(told)}
        return Op(**self._about() | kept)

    def row(self) -> OpRow:
        """Return what lists and files have of it."""
        return OpRow(
            **self._about(),
            outputs=() if self.shape is None else (self.shape,),
            dtype=self.dtype,
            changed=self.bumped,
            begin=self.started,
            seconds=self.duration,
            sequence=(self.seq, self.seq_end),
        )


def modes_of(checkpoint: bool) -> str:
    """Return in which modes of torch's an op runs, in words."""
    words = []
    if torch.is_inference_mode_enabled():
        words.append("inference_mode")
    elif not torch.is_grad_enabled():
        words.append("no_grad")
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        words.append("autocast")
    if checkpoint and torch_private.running_backward() != -1:
        words.append("recomputation")
    return ", ".join(words)


# -- the function that runs -----------------------------------------------------------------------


def foreign(function: Any) -> bool:
    """Is this no function of torch's?"""
    if isinstance(function, FunctionType):
        return frames.kind(function.__code__) in (frames.USER, frames.LIBRARY)
    return type(function).__module__.partition(".")[0] not in ("builtins", "torch")


def original(function: Any, caller: FrameType) -> Any:
    """Return what runs under the name of a foreign ``function``, asked for by ``caller``."""
    if frames.kind(caller.f_code) != frames.DISPATCH:
        return _in_c(function) or function
    asks = caller.f_back
    if asks is None or frames.kind(asks.f_code) != frames.TORCH:
        return function  # a function of the user's own that takes part in torch's protocol
    return _in_python(asks)


def _in_c(function: Any) -> Any:
    for public, behind, name in torch_private.in_c:
        for key, value in vars(public).items():
            if value is function:
                return getattr(behind, name.format(key), None)
    return None


def _in_python(frame: FrameType) -> Callable[..., Any]:
    """Return the function that a frame of torch's runs, with its defaults."""
    code = frame.f_code
    function = _rebuilt.get(code)
    if function is None:
        cells = tuple(CellType(frame.f_locals[name]) for name in code.co_freevars)
        function = FunctionType(code, frame.f_globals, code.co_name, None, cells)
        function.__defaults__, function.__kwdefaults__ = _defaults(code, frame.f_globals)
        _rebuilt[code] = function
    return function


def _defaults(code: CodeType, space: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what a function's arguments are by default, read from its source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code))).body[0]
    except (OSError, SyntaxError):
        return (), {}
    if not isinstance(tree, ast.FunctionDef):
        return (), {}

    def value(node: ast.expr) -> Any:
        return eval(compile(ast.Expression(node), code.co_filename, "eval"), space)

    named = zip(tree.args.kwonlyargs, tree.args.kw_defaults, strict=True)
    only_named = {argument.arg: value(node) for argument, node in named if node is not None}
    return tuple(map(value, tree.args.defaults)), only_named


def past_the_door(function: Any) -> Any:
    """Return a Python function of torch's without its first question: does anybody override me?

    Asked with our mode in place, it would hand the call back to us for ever.
    """
    space = function.__globals__
    space.setdefault("__warningregistry__", {})  # shared: a warning is given as often as before
    doors = {name: _no for name in space if name.startswith("has_torch_function")}
    copy = FunctionType(
        function.__code__,
        {**space, **doors},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _no(*arguments: Any) -> bool:
    return False


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    return function(*args, **kwargs)


def _traced() -> bool:
    """Does somebody else trace the program? Breakpoints at lines are ours."""
    trace = sys.gettrace()
    return trace is not None and frames.kind(getattr(trace, "__code__", _PLAIN)) != frames.OURS


_PLAIN = inspect.cleandoc.__code__
"""Stands for the code of a trace function that is none of Python's."""


def trampoline(caller: FrameType) -> Callable[..., Any]:
    """Return a function that calls another, and looks to C's warnings like ``caller`` does.

    To a trace or profile function of the program's it would look like a call of its own.
    """
    if sys.getprofile() is not None or _traced():
        return _call
    code = caller.f_code
    key = (id(code), caller.f_lasti)
    known = _trampolines.get(key)
    if known is None or known[0].__globals__ is not caller.f_globals:
        line = caller.f_lineno or code.co_firstlineno
        looks = _call.__code__.replace(
            co_filename=code.co_filename,
            co_name=code.co_name,
            co_firstlineno=max(1, line - 1),  # the call stands one line below the def
        )
        frames.mark_ours(looks)
        known = _trampolines[key] = (FunctionType(looks, caller.f_globals), code)
    return known[0]


def behind(dispatch: FrameType) -> FrameType:
    """Return who called the function of torch's, written in Python, that asks a mode."""
    return dispatch.f_back.f_back or dispatch  # type: ignore[union-attr]
