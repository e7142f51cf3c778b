"""What an error is about and what to do, as far as torch, the recorder and the line tell."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from gradrepl.model import Error

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

UNRECORDED = "With ':b nan' set before the run ops are recorded, and this names the line."


def about(error: Error, raised: BaseException, session: Session, place: Place) -> Error:
    """Return ``error`` with a hint, where we know one."""
    if not session.stepper.torch_here:
        return error
    from gradrepl.engine.explain import tensor_errors

    error = tensor_errors.hint(error)
    for _ in range(2):
        with suppress(RuntimeError):  # torch's handler of SIGCHLD says that a worker has ended
            return _looked_up(error, raised, session, place)
    return error


def _looked_up(error: Error, raised: BaseException, session: Session, place: Place) -> Error:
    from gradrepl.engine.explain.inplace import name_the_write
    from gradrepl.engine.explain.loader_errors import name_the_sample
    from gradrepl.engine.explain.mismatched import name_the_odd_one
    from gradrepl.engine.explain.tensor_errors import name_the_tensor
    from gradrepl.engine.graph.nodes import STALE

    error = name_the_sample(error, raised, session)
    error = name_the_odd_one(error, raised, session, place)
    error = name_the_write(name_the_tensor(error, raised, session, place), session, place)
    stale = STALE in error.message and " written by" not in error.hint
    if stale or "not recorded" in error.hint:
        return msgspec.structs.replace(error, hint=f"{error.hint} {UNRECORDED}")
    return error
