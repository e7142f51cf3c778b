"""The answers to requests about data."""

from __future__ import annotations

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.data import (
    batches,
    current_loader,
    devices,
    epochs,
    faults,
    loaders,
    samples,
)
from gradrepl.engine.data.wanted import Loops, watch_of
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place


@on(p.AskLoader)
def _(request: p.AskLoader, session: Session, place: Place) -> Answer:
    if request.look and not request.expression:
        loader, name = current_loader.iterated_loader(session, place)
    else:
        loader, name = current_loader.find_loader(request.expression, session, place)
    return loaders.describe(loader, name, session, place)


@on(p.WatchLoaders)
def _(request: p.WatchLoaders, session: Session, place: Place) -> Answer:
    loops = session.state(Loops)
    loops.asked = not request.off
    session.stepper.rearm()
    watch = watch_of(session)
    return model.LoaderWatch(
        on=watch is not None,
        breakpoints=watch is not None and not loops.asked,
        epochs=watch.epochs if watch is not None else 0,
        batches=watch.batches if watch is not None else 0,
    )


@on(p.AskBatch)
def _(request: p.AskBatch, session: Session, place: Place) -> Answer:
    loader, _ = current_loader.find_loader(request.expression, session, place)
    current = current_loader.current_of(session)
    watch = watch_of(session)
    log = watch.of(loader) if watch is not None else None
    number = current.next if request.number is None else request.number
    with session.grad_as_typed(place):
        return batches.rebuild(loader, number, current, log, request.rows)


@on(p.AskSample)
def _(request: p.AskSample, session: Session, place: Place) -> Answer:
    loader, _ = current_loader.find_loader(request.expression, session, place)
    index = session.evaluate(request.index, place)
    with session.grad_as_typed(place):
        return samples.look(loader, index, session)


@on(p.FetchSample)
def _(request: p.FetchSample, session: Session, place: Place) -> Answer:
    loader, _ = current_loader.find_loader(request.loader, session, place)
    index = session.evaluate(request.index, place)
    return samples.stepped(loader, index, session, place)


@on(p.CheckLoader)
def _(request: p.CheckLoader, session: Session, place: Place) -> Answer:
    loader, name = current_loader.find_loader(request.expression, session, place)
    with session.grad_as_typed(place):
        return faults.check(loader, name, session, place, request.samples, request.seconds)


@on(p.AskEpoch)
def _(request: p.AskEpoch, session: Session, place: Place) -> Answer:
    loader, name = current_loader.find_loader(request.expression, session, place)
    with session.grad_as_typed(place):
        return epochs.describe(loader, name, session, request.number, request.seconds)


@on(p.AskDevices)
def _(request: p.AskDevices, session: Session, place: Place) -> Answer:
    return devices.listed(session, request.device, request.chosen)


@on(p.MoveTo)
def _(request: p.MoveTo, session: Session, place: Place) -> Answer:
    value = session.evaluate(request.expression, place)
    where = devices.chosen_device(session, request.device, request.chosen)
    with session.grad_as_typed(place):
        record, result = devices.move(request.expression, where, value, request.non_blocking)
    session.keep(result)
    return record
