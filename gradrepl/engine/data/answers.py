"""The answers to requests about data."""

from __future__ import annotations

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.data import (
    batches,
    devices,
    epochs,
    faults,
    loaders,
    room,
    samples,
)
from gradrepl.engine.data.watch import watch_of
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place


@on(p.AskLoader)
def _(request: p.AskLoader, session: Session, place: Place) -> Answer:
    if request.look and not request.expression:
        loader, name = room.followed(session, place)
    else:
        loader, name = room.meant(request.expression, session, place)
    return loaders.describe(loader, name, session, place)


@on(p.WatchLoaders)
def _(request: p.WatchLoaders, session: Session, place: Place) -> Answer:
    stepper = session.stepper
    stepper.watch_loaders = not request.off
    stepper.rearm()
    seen = watch_of(stepper)
    return model.LoaderWatch(
        on=seen is not None,
        breakpoints=seen is not None and not stepper.watch_loaders,
        epochs=seen.epochs if seen is not None else 0,
        batches=seen.batches if seen is not None else 0,
    )


@on(p.AskBatch)
def _(request: p.AskBatch, session: Session, place: Place) -> Answer:
    loader, _ = room.meant(request.expression, session, place)
    mine = room.room_of(session)
    watch = watch_of(session.stepper)
    seen = watch.of(loader) if watch is not None else None
    number = mine.next if request.number is None else request.number
    with session.grad_as_typed(place):
        return batches.rebuild(loader, number, mine, seen, request.rows)


@on(p.AskSample)
def _(request: p.AskSample, session: Session, place: Place) -> Answer:
    loader, _ = room.meant(request.expression, session, place)
    index = session.evaluate(request.index, place)
    with session.grad_as_typed(place):
        return samples.look(loader, index, session)


@on(p.FetchSample)
def _(request: p.FetchSample, session: Session, place: Place) -> Answer:
    loader, _ = room.meant(request.loader, session, place)
    index = session.evaluate(request.index, place)
    return samples.stepped(loader, index, session, place)


@on(p.CheckLoader)
def _(request: p.CheckLoader, session: Session, place: Place) -> Answer:
    loader, name = room.meant(request.expression, session, place)
    with session.grad_as_typed(place):
        return faults.check(loader, name, session, place, request.samples, request.seconds)


@on(p.AskEpoch)
def _(request: p.AskEpoch, session: Session, place: Place) -> Answer:
    loader, name = room.meant(request.expression, session, place)
    with session.grad_as_typed(place):
        return epochs.describe(loader, name, session, request.number, request.seconds)


@on(p.AskDevices)
def _(request: p.AskDevices, session: Session, place: Place) -> Answer:
    return devices.listed(session, request.device, request.chosen)


@on(p.MoveTo)
def _(request: p.MoveTo, session: Session, place: Place) -> Answer:
    value = session.evaluate(request.expression, place)
    where = devices.meant(session, request.device, request.chosen)
    with session.grad_as_typed(place):
        record, result = devices.move(request.expression, where, value, request.non_blocking)
    session.keep(result)
    return record
