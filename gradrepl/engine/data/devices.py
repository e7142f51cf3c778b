"""Devices, and moving batches and modules to them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import torch

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.data import current_loader, parts
from gradrepl.engine.session import Answer, on
from gradrepl.engine.tensor import figures
from gradrepl.errors import StateError, UsageError
from gradrepl.model import DeviceInfo

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place


@on(p.AskDevices)
def _(request: p.AskDevices, session: Session, place: Place) -> Answer:
    """List the devices; choose one that is asked for: ``:to`` takes it from then on.

    What the command line has chosen holds as long as nothing else was chosen. Where it is not
    available, it is listed all the same, and why.
    """
    mine = current_loader.current_of(session)
    if request.device:
        mine.device = str(device(request.device))
    return model.Devices(rows=(_cpu(), *_cuda()), chosen=_listed(mine.device or request.chosen))


def _listed(name: str) -> str:
    try:
        return str(device(name or "cpu"))
    except StateError:
        return name


def chosen_device(session: Session, wanted: str, chosen: str) -> torch.device:
    """Return the device that is wanted, else the chosen one, else the CPU."""
    return device(wanted or current_loader.current_of(session).device or chosen or "cpu")


def _cpu() -> DeviceInfo:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        total, free = (page * os.sysconf(n) for n in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    except (OSError, ValueError):
        total, free = None, None
    what = f"{cores} cores, {torch.get_num_threads()} threads in torch"
    return DeviceInfo(name="cpu", what=what, total=total, free=free)


def why_no_cuda() -> str:
    """Say why CUDA is not available here."""
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) is built without CUDA"
    return "torch finds no NVIDIA GPU or no driver"


def _cuda() -> list[DeviceInfo]:
    if not torch.cuda.is_available():
        return [DeviceInfo(name="cuda", available=False, why=why_no_cuda() + ".")]
    rows = []
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        free = None
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            free = torch.cuda.mem_get_info(number)[0]  # else asking would make a context
        rows.append(
            DeviceInfo(name=f"cuda:{number}", what=facts.name, total=facts.total_memory, free=free)
        )
    return rows


def device(name: str) -> torch.device:
    """Return the device that ``name`` says: cpu, cuda, cuda:1, auto.

    Raises:
        UsageError: it is no name of a device.
        StateError: it is not available here.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
    except (RuntimeError, ValueError):
        raise UsageError(f"'{name}' is not a device.", "One of cpu, cuda, cuda:1, auto.") from None
    if chosen.type == "cuda":
        if not torch.cuda.is_available():
            raise StateError(
                f"there is no {name} here: {why_no_cuda()}.", "':device' lists what there is."
            )
        number = chosen.index or 0
        if number >= torch.cuda.device_count():
            raise StateError(f"there is no {name}: {torch.cuda.device_count()} GPUs are here.")
        return torch.device("cuda", number)
    if chosen.type not in ("cpu", "meta"):
        raise UsageError(f"'{name}' is not supported.", "One of cpu, cuda, cuda:1, auto.")
    return chosen


@on(p.MoveTo)
def _(request: p.MoveTo, session: Session, place: Place) -> Answer:
    value = session.evaluate(request.expression, place)
    where = chosen_device(session, request.device, request.chosen)
    with session.grad_as_typed(place):
        record, result = move(request.expression, where, value, request.non_blocking)
    session.keep(result)
    return record


def move(name: str, where: torch.device, value: Any, non_blocking: bool) -> tuple[model.Moved, Any]:
    """Move a module in place, or return a batch on the device; and say what that took.

    Raises:
        UsageError: there is no tensor in it.
    """
    module = isinstance(value, torch.nn.Module)
    held = _tensors(value)
    if not held:
        raise UsageError(f"'{name}' is a {type(value).__name__} with no tensor in it.")
    going = [each for each in held if each.device != where]
    pinned = sum(each.device.type == "cpu" and _pinned(each) for each in going)
    _wait(where)
    begun = time.perf_counter()
    result = value.to(where) if module else _moved(value, where, non_blocking)
    _wait(where)
    taken = time.perf_counter() - begun
    moved = model.Moved(
        name=name,
        device=str(where),
        tensors=len(held),
        moved=len(going),
        nbytes=sum(int(each.nbytes) for each in going),
        seconds=taken if going else 0.0,
        pinned=pinned,
        notes=tuple(_notes(going, pinned, where, non_blocking)),
    )
    return moved, result


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.nn.Module):
        return [*value.parameters(), *value.buffers()]
    return [each for _, each in parts.leaves(value) if isinstance(each, torch.Tensor)]


def _pinned(tensor: torch.Tensor) -> bool:
    with figures.quiet():
        return torch.cuda.is_available() and bool(tensor.is_pinned())


def _wait(where: torch.device) -> None:
    if where.type == "cuda":
        torch.cuda.synchronize(where)


def _moved(value: Any, where: torch.device, non_blocking: bool) -> Any:
    """Return ``value`` with all its tensors on the device; containers are new ones."""
    if isinstance(value, torch.Tensor):
        return value.to(where, non_blocking=non_blocking)
    if isinstance(value, dict):
        return {key: _moved(each, where, non_blocking) for key, each in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_moved(each, where, non_blocking) for each in value))
    if type(value) in (list, tuple):
        return type(value)(_moved(each, where, non_blocking) for each in value)
    return value


def _notes(
    going: list[torch.Tensor], pinned: int, where: torch.device, non_blocking: bool
) -> list[str]:
    notes = []
    pageable = [each for each in going if each.device.type == "cpu"][pinned:]
    if where.type == "cuda" and pageable:
        effect = "non_blocking has no effect on them" if non_blocking else "the copy waits"
        notes.append(f"{len(pageable)} tensors lie in pageable memory: {effect}.")
    if any(each.requires_grad and each.is_leaf for each in going) and where.type != "meta":
        notes.append(
            "a moved tensor that requires a gradient is not a leaf; a moved module's "
            "parameters stay the same objects."
        )
    return notes
