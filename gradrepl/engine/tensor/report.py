"""Everything about one tensor, found out when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from gradrepl.engine.explain import no_gradient
from gradrepl.engine.forward.calls import Call
from gradrepl.engine.graph import nodes
from gradrepl.engine.memory.owners import GRADIENT, Owners
from gradrepl.engine.memory.remembered import Known
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import facts, figures
from gradrepl.engine.tensor.names import Names, hooks_of
from gradrepl.model import Input, OpRef, Tensor

LISTED = 16
"""Names, inputs and users listed."""


def everything(tensor: torch.Tensor, expression: str, session: Session, place: Place) -> Tensor:
    """Return the record of ``tensor``; nothing of it or around it changes."""
    with figures.quiet():
        return _everything(tensor, expression, session, place)


def _everything(tensor: torch.Tensor, expression: str, session: Session, place: Place) -> Tensor:
    names = session.names(place.frame)
    name = names.tensor(tensor)
    recorder = session.recorder
    history = recorder.flow.of(tensor)
    writer = writer_of(tensor, session)
    owners = Owners(session, place)
    living = _sharing(tensor, owners)
    shared = next((other for other, each in living if each.requires_grad), "")
    made = history.maker or writer
    state, reason = gradient(tensor, name or expression, session, place)
    info = facts.describe(tensor, name or expression)
    about = {field: getattr(info, field) for field in info.__struct_fields__}
    return Tensor(
        **about,
        names=tuple(_names(tensor, owners)),
        kind=type(tensor).__name__,
        memory_format=_memory_format(tensor),
        histogram=figures.histogram(tensor),
        leaf_why=_refused(tensor)
        or _gradient_of(tensor, owners)
        or no_gradient.explain_leaf(tensor, history, recorder.cuts.of(tensor), writer, shared),
        grad_state=state,
        grad_why=reason,
        retains_grad=bool(tensor.retains_grad),
        sequence=_sequence(tensor),
        inputs=tuple(_inputs(tensor, names)),
        storage=_storage(tensor, session),
        storage_nbytes=storage_bytes(tensor),
        shares=tuple(other for other, _ in living[:LISTED]),
        hooks=hooks_of(tensor),
        made_by=op_ref(made) if made else None,
        used_by=tuple(op_ref(call, wrote) for call, wrote in history.users[-LISTED:]),
        used_total=len(history.users),
    )


def op_ref(call: Call, wrote: bool = False) -> OpRef:
    """Return what is kept of a recorded op."""
    return OpRef(
        id=call.id, name=call.name, site=call.site, module=call.module, mode=call.mode, wrote=wrote
    )


def _sequence(tensor: torch.Tensor) -> int | None:
    node = facts.node_of(tensor)
    return None if node is None else int(node._sequence_nr())


def writer_of(tensor: torch.Tensor, session: Session) -> Call | None:
    """Return the recorded op that made the tensor's ``grad_fn``, if there is one."""
    number = _sequence(tensor)
    if number is None or number >= nodes.NO_SEQUENCE:
        return None
    call: Call | None = session.recorder.op_of(number)
    return call


def gradient(tensor: torch.Tensor, name: str, session: Session, place: Place) -> tuple[str, str]:
    """Return the state of ``.grad`` ('none' where there is none) and a sentence about it."""
    grad = tensor.grad if facts.is_leaf(tensor) or tensor.retains_grad else None
    if grad is not None:
        state, _ = no_gradient.state_of(grad)
        reasons = {"zero": "all of it is zero.", "nan": "it has nan.", "inf": "it has inf."}
        return state, reasons.get(state, "")
    backward = getattr(place.event, "backward", None)
    names = session.names(place.frame)
    other = next(_leaves_with_grad(names, tensor), "") if backward is None else ""
    became = no_gradient.explain_cut(tensor, session.recorder.flow)
    return "none", no_gradient.explain_no_grad(tensor, name, other, backward, became)


def _leaves_with_grad(names: Names, apart: torch.Tensor) -> Iterator[str]:
    for name, each in [*names.parameters.items(), *names.variables()]:
        if each is not apart and facts.is_leaf(each) and each.grad is not None:
            yield name


def _memory_format(tensor: torch.Tensor) -> str:
    if tensor.layout is not torch.strided:
        return ""
    try:
        if tensor.is_contiguous():
            return "contiguous"
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        wanted = formats.get(tensor.dim())
        if wanted is not None and tensor.is_contiguous(memory_format=wanted):
            return facts.short(wanted)  # type: ignore[arg-type]
    except (RuntimeError, NotImplementedError):
        return ""
    return "not contiguous"


def storage_key(tensor: torch.Tensor) -> int | None:
    """Return what tells one storage from another while both live, or None where there is none."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        return None


def storage_bytes(tensor: torch.Tensor) -> int:
    """Return the size of the storage; 0 where there is none."""
    try:
        return int(tensor.untyped_storage().nbytes())
    except (RuntimeError, NotImplementedError):
        return 0


def _storage(tensor: torch.Tensor, session: Session) -> str:
    if storage_key(tensor) is None:
        return ""
    return session.state(Known).ids.of(tensor.untyped_storage())


def _names(tensor: torch.Tensor, owners: Owners) -> list[str]:
    """Return all names of ``tensor``, the shortest first."""
    names = {each.name for each in owners.tensors if each.value is tensor}
    return sorted(names, key=lambda name: (len(name), name))[:LISTED]


def _refused(tensor: torch.Tensor) -> str:
    """Return what torch says of a view that it refuses to speak of, as a reason."""
    try:
        _ = tensor.grad_fn
    except RuntimeError as error:
        return f"a view of which torch says: {str(error).partition('. ')[0]}."
    return ""


def _gradient_of(tensor: torch.Tensor, owners: Owners) -> str:
    """Say that ``tensor`` is some tensor's gradient, where it is and has no graph."""
    gradients = (e.name for e in owners.tensors if e.owner == GRADIENT and e.value is tensor)
    name = next(gradients, "") if facts.is_leaf(tensor) and not tensor.requires_grad else ""
    return name and (
        f"a leaf: it is {name}, and gradients have no graph of their own unless backward() was "
        "given create_graph=True."
    )


def _sharing(tensor: torch.Tensor, owners: Owners) -> list[tuple[str, torch.Tensor]]:
    """Return the other tensors in scope that share its storage, each by one name."""
    key = storage_key(tensor)
    sharing: dict[int, tuple[str, torch.Tensor]] = {}
    for each in owners.tensors:
        if key is not None and each.value is not tensor and storage_key(each.value) == key:
            sharing.setdefault(id(each.value), (each.name, each.value))
    return list(sharing.values())


def _inputs(tensor: torch.Tensor, names: Names) -> Iterator[Input]:
    node = facts.node_of(tensor)
    if node is None:
        return
    made: dict[Any, str] = {}
    for name, each in names.variables():
        fn = facts.node_of(each)
        if fn is not None:
            made.setdefault(fn, name)
    for target, number in node.next_functions[:LISTED]:
        if target is None:
            yield Input(node="None")
            continue
        variable = getattr(target, "variable", None)
        label = made.get(target, "") if variable is None else names.tensor(variable)
        yield Input(node=nodes.name(target), label=label, number=int(number))
