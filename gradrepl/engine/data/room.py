"""What one session remembers of loaders: which one is meant, and the epoch that it would begin."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from torch.utils.data import DataLoader

from gradrepl.engine.data.order import Epoch, all_iterators
from gradrepl.engine.data.watch import watch_of
from gradrepl.engine.tensor import names
from gradrepl.errors import UsageError

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

NONE = "there is no DataLoader in reach."


class Room:
    """The loader that is meant, and the batch that was shown last."""

    def __init__(self) -> None:
        self.name = ""
        self._loader: weakref.ref[Any] | None = None
        self.asked = False
        """It was asked for by name, so it stays the one meant."""
        self.epoch: Epoch | None = None
        """The one that would have begun when the loader was asked for."""
        self.next = 0
        """The batch that ``:batch`` shows when no number is said."""
        self.indices: tuple[Any, ...] = ()
        """Of the batch shown last."""
        self.streams: Any = None
        """Of an iterable dataset: where we are in it ourselves."""
        self.device = ""
        """What ``:to`` takes when no device is said; '' as long as none was chosen."""

    @property
    def loader(self) -> Any:
        """The loader that is meant, or None."""
        return self._loader() if self._loader is not None else None

    def mean(self, loader: Any, name: str, asked: bool = True) -> None:
        """Mean this loader from now on."""
        self.asked = asked
        if loader is not self.loader:
            self._loader = weakref.ref(loader)
        self.next, self.indices, self.streams = 0, (), None
        self.epoch = Epoch(loader)
        self.name = name


_rooms: WeakKeyDictionary[Session, Room] = WeakKeyDictionary()


def room_of(session: Session) -> Room:
    """Return what is remembered for ``session``."""
    return _rooms.setdefault(session, Room())


def meant(expression: str, session: Session, place: Place) -> tuple[Any, str]:
    """Return the loader that is meant and its name; it is the one meant from now on.

    Raises:
        UsageError: the expression is no loader, or none or several are in reach.
    """
    room = room_of(session)
    if expression:
        loader = session.evaluate(expression, place)
        if not isinstance(loader, DataLoader):
            raise UsageError(
                f"'{expression}' is a {type(loader).__name__}, not a DataLoader.",
                _hint(loader, session, place),
            )
        room.mean(loader, expression)
        return loader, expression
    if room.loader is not None:
        return room.loader, room.name
    found = loaders(session, place)
    if len(found) == 1:
        ((name, loader),) = found
        room.mean(loader, name, asked=False)
        return loader, name
    if not found:
        raise UsageError(NONE, "Write: loader EXPR")
    listed = ", ".join(name for name, _ in found[:8])
    raise UsageError(f"which loader? There are {listed}.", f"Write: loader {found[0][0]}")


def followed(session: Session, place: Place) -> tuple[Any, str]:
    """Return the loader that a screen shows, and its name; it is the one meant from now on.

    Raises:
        UsageError: there is none in reach.
    """
    room = room_of(session)
    found = loaders(session, place)
    if room.loader is not None and (room.asked or not found):
        return room.loader, room.name
    if not found:
        raise UsageError(NONE, "Write: loader EXPR")
    loader, name = _latest(found, session)
    if loader is not room.loader:
        room.mean(loader, name, asked=False)
    return loader, room.name


def _latest(found: list[tuple[str, Any]], session: Session) -> tuple[Any, str]:
    """Return the loader that the program iterates now, or iterated last; else the first."""
    watch = watch_of(session.stepper)
    named = {id(loader): (loader, name) for name, loader in found}
    for loader in watch.latest() if watch is not None else ():
        if id(loader) in named:
            return named[id(loader)]
    if len(found) > 1:
        iterators = [vars(each) for each in all_iterators()]
        for name, loader in found:
            mine = [
                each for each in iterators if each.get("_index_sampler") is loader._index_sampler
            ]
            if any(each.get("_num_yielded") for each in mine):
                return loader, name
    return found[0][1], found[0][0]


def others(loader: Any, session: Session, place: Place) -> tuple[str, ...]:
    """Return the names of at most 32 other loaders in reach, those that come after it first."""
    found = loaders(session, place)
    here = next((at for at, (_, each) in enumerate(found) if each is loader), -1)
    return tuple(name for name, _ in (*found[here + 1 :], *found[: max(here, 0)]))[:32]


def _hint(value: Any, session: Session, place: Place) -> str:
    if hasattr(value, "__getitem__") and hasattr(value, "__len__"):
        return "Of a dataset make a loader: loader torch.utils.data.DataLoader(EXPR, batch_size=8)"
    listed = ", ".join(name for name, _ in loaders(session, place)[:8])
    return f"In reach: {listed}." if listed else "There is no DataLoader in reach."


def loaders(session: Session, place: Place) -> list[tuple[str, Any]]:
    """Return the loaders in reach with the name of each."""
    found: dict[int, tuple[str, Any]] = {}
    for space in names.namespaces(place.frame, session.space):
        for name, value in names.reachable(space):
            if issubclass(type(value), DataLoader):
                found.setdefault(id(value), (name, value))
    return list(found.values())
