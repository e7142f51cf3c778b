"""What is to be watched, and by which limits: may be said before torch is there."""

from __future__ import annotations

import msgspec

from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.errors import UsageError
from gradrepl.model.health import HealthLimits, Watching


@on(p.WatchHealth)
def _(request: p.WatchHealth, session: Session, place: Place) -> Answer:
    stepper = session.stepper
    asked = stepper.wanted
    if request.off:
        asked = Watching()
    else:
        asked = msgspec.structs.replace(
            asked,
            grads=asked.grads or request.grads or request.nodes,
            nodes=asked.nodes or request.nodes,
            statistics=request.statistics if request.nodes else asked.statistics,
            every=asked.every if request.every is None else request.every,
        )
    if asked.every < 1:
        raise UsageError(f"every {asked.every} makes no sense.", "Write: watch grads every 10")
    stepper.wanted = asked
    stepper.rearm()
    return stepper.watching()


@on(p.SetHealth)
def _(request: p.SetHealth, session: Session, place: Place) -> Answer:
    stepper = session.stepper
    if not request.name:
        return stepper.limits
    fields = {field.name: field for field in msgspec.structs.fields(HealthLimits)}
    if request.name not in fields:
        raise UsageError(
            f"there is no limit 'health.{request.name}'.", f"There are {', '.join(fields)}."
        )
    value = fields[request.name].default if request.value is None else request.value
    if float(value).is_integer():
        value = int(value)
    given = {**msgspec.structs.asdict(stepper.limits), request.name: value}
    try:
        stepper.limits = msgspec.convert(given, HealthLimits)
    except msgspec.ValidationError as error:
        what = str(error).partition(" - at ")[0]
        raise UsageError(f"health.{request.name} cannot be {value:g}: {what}.") from None
    return stepper.limits
