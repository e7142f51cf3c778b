"""Modules, Functions and graphs."""

from __future__ import annotations

import msgspec

from gradrepl.model.base import Record, Site
from gradrepl.model.running import NodeRow, Saved
from gradrepl.model.tensors import HookInfo


class ParameterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter or buffer of a module."""

    name: str
    """Its own name in the module: 'weight'."""
    path: str
    """'fc1.weight': the name it is known by."""
    shape: tuple[int, ...]
    dtype: str
    count: int
    """Elements."""
    requires_grad: bool = False
    buffer: bool = False
    persistent: bool = True
    """Of a buffer: is it in the state_dict?"""
    grad: str = ""
    """'ok', 'zero', 'nan', 'inf', 'none', or '' where none can be."""
    norm: float | None = None
    """L2 norm of the gradient."""
    tied: tuple[str, ...] = ()
    """Other paths of the same tensor; its elements are counted at the first one only."""
    first: bool = True
    """Is this the first of its paths?"""
    optimized: str = ""
    """Name of the optimizer that has it, 'no' if there are optimizers and none has it, else ''."""


class ModuleRow(msgspec.Struct, frozen=True, kw_only=True):
    """One module of a tree."""

    path: str
    name: str
    """The last part of the path."""
    kind: str
    """Its class."""
    depth: int
    about: str = ""
    """What the module says of itself: 'in_features=3, out_features=4, bias=True'."""
    own: int = 0
    """Elements of its own parameters; a tied one counts where it comes first."""
    total: int = 0
    """The same with all modules below."""
    trainable: int = 0
    """Those of ``total`` that require a gradient."""
    children: int = 0
    hidden: int = 0
    """Modules below that have no row because of the depth asked for."""
    training: bool = True
    grad: str = ""
    """Worst state of the gradients below: 'nan', 'inf', 'none', 'zero', 'ok', '' without any."""
    ran: str = ""
    """'ran', 'no op yet', or '' where that was not recorded."""
    parameters: tuple[ParameterRow, ...] = ()
    """Its own parameters and buffers, at most 32."""
    hooks: tuple[HookInfo, ...] = ()
    same_as: str = ""
    """Path at which this very module stands already."""


class Stray(msgspec.Struct, frozen=True, kw_only=True):
    """A leaf that requires a gradient and is no module's parameter."""

    name: str
    shape: tuple[int, ...]
    why: str
    """'in a plain list of Net', 'a variable'."""
    optimized: str = ""


class Modules(Record, frozen=True, kw_only=True):
    """A window on the modules below one root, or below all roots in scope."""

    rows: tuple[ModuleRow, ...]
    first: int = 0
    total: int = 0
    """Rows there are at this depth."""
    roots: tuple[str, ...] = ()
    parameters: int = 0
    """Elements of all parameters; tied ones once."""
    trainable: int = 0
    tensors: int = 0
    """Parameters, tied ones once."""
    optimizers: tuple[str, ...] = ()
    """Names of the optimizers in scope."""
    missed: tuple[str, ...] = ()
    """Parameters that require a gradient and that no optimizer in scope has, at most 64."""
    missed_total: int = 0
    unknown: int = 0
    """Tensors that an optimizer in scope has and that nothing in scope has."""
    strays: tuple[Stray, ...] = ()
    recorded: bool = False
    """Were ops recorded, so that ``ran`` is known?"""


class FunctionInfo(Record, frozen=True, kw_only=True):
    """A Function keeps no weights, a Module does: a node, and the module whose call made it."""

    name: str
    """'AddmmBackward0'."""
    of: str = ""
    """What was asked about: 'h', '#7'."""
    label: str = ""
    """The leaf's name, the variable's that it made, or the module's path."""
    custom: bool = False
    """Is it a ``torch.autograd.Function`` written in Python?"""
    kind: str = ""
    """Of a custom one, its class: 'mymodule.Scale'."""
    sequence: int | None = None
    module: str = ""
    module_class: str = ""
    parameters: tuple[ParameterRow, ...] = ()
    """What the module keeps."""
    nodes: tuple[NodeRow, ...] = ()
    """Nodes that the same call of the module made, at most 64, in the order of the forward; their
    ``id`` is 0, as nobody has asked for the order in which they run."""
    saved: tuple[Saved, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    """What a custom forward put on ``ctx``."""
    needs_input_grad: tuple[bool, ...] = ()
    forward_source: str = ""
    backward_source: str = ""
    source_site: Site | None = None


class GraphView(Record, frozen=True, kw_only=True):
    """A window on the rows of a graph, in the order in which the engine runs it."""

    root: str
    rows: tuple[NodeRow, ...]
    first: int = 0
    total: int | None = None
    """Rows there are, folded as asked; None where so many nodes are not all worked out."""
    nodes: int = 0
    edges: int = 0
    leaves: int = 0
    saved_nbytes: int | None = None
    """Bytes that the whole graph has saved, as in a row; None where that is too much to ask."""
    depth: int | None = None
    """Modules at this depth are one row each; None where nothing is folded."""
    unfolded: tuple[str, ...] = ()
    """Modules that are shown all the same."""
    pattern: str = ""
    """Only the rows are here that have this in them; they have no lanes."""
    recorded: bool = False
    """Were ops of its forward recorded, so that modules and lines are known?"""
    live: bool = False
    """Is this the graph of a backward that is paused?"""
