"""What a session remembers of loaders: the current one, and the epoch that it would begin."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from torch.utils.data import DataLoader

from gradrepl.engine.data import order
from gradrepl.engine.data.order import Epoch, all_iterators
from gradrepl.engine.data.wanted import watch_of
from gradrepl.engine.tensor import names
from gradrepl.errors import UsageError

if TYPE_CHECKING:
    from gradrepl.engine.session import Session
    from gradrepl.engine.stopping.gate import Place

NONE = "No DataLoader found in the current scope."


class CurrentLoader:
    """The loader that requests without a name are about, and the batch that was shown last."""

    def __init__(self, session: Session) -> None:
        self.name = ""
        self._loader: weakref.ref[Any] | None = None
        self.asked = False
        """It was asked for by name, so it stays the current one."""
        self.epoch: Epoch | None = None
        """The one that would have begun when the loader was asked for."""
        self.next = 0
        """The batch that ``:batch`` shows when no number is said."""
        self.failed: weakref.ref[Any] | None = None
        """The iterator in which an exception was raised last."""
        self.indices: tuple[str, ...] = ()
        """Of the batch shown last."""
        self.device = ""
        """What ``:to`` takes when no device is said; '' as long as none was chosen."""

    @property
    def loader(self) -> Any:
        """The current loader, or None."""
        return self._loader() if self._loader is not None else None

    def raised_in(self) -> Any:
        """Return the iterator in which an exception was raised last, while it is there."""
        return self.failed() if self.failed is not None else None

    def failed_batch(self, loader: Any) -> int | None:
        """Return the batch of ``loader`` that has raised last, if its iterator is still there."""
        iterator = self.raised_in()
        if iterator is None or iterator._index_sampler is not loader._index_sampler:
            return None
        return int(iterator._num_yielded)

    def choose(self, loader: Any, name: str, asked: bool = True) -> None:
        """Take this loader from now on."""
        self.asked = asked
        if loader is not self.loader:
            self._loader = weakref.ref(loader)
        self.next, self.indices = 0, ()
        self.epoch = Epoch(loader)
        self.name = name


def current_of(session: Session) -> CurrentLoader:
    """Return what is remembered for ``session``."""
    return session.state(CurrentLoader)


def find_loader(expression: str, session: Session, place: Place) -> tuple[Any, str]:
    """Return the loader asked for, or the current one, and its name; it is current from now on.

    Raises:
        UsageError: the expression is no loader, or none or several are in scope.
    """
    current = current_of(session)
    if expression:
        loader = _named(expression, session, place)
        if not isinstance(loader, DataLoader):
            raise UsageError(
                f"'{expression}' is a {type(loader).__name__}, not a DataLoader.",
                _hint(loader, session, place),
            )
        current.choose(loader, expression)
    elif current.loader is None:
        in_scope = loaders(session, place)
        if len(in_scope) != 1:
            raise _which(in_scope)
        current.choose(in_scope[0][1], in_scope[0][0], asked=False)
    return current.loader, current.name


def _named(expression: str, session: Session, place: Place) -> Any:
    """Return what was asked for: a name that we tell may be a caller's."""
    try:
        return session.evaluate(expression, place)
    except NameError:
        known = dict(loaders(session, place))
        if expression not in known:
            raise
        return known[expression]


def _which(in_scope: list[tuple[str, Any]]) -> UsageError:
    """Return the error where not one loader is in scope."""
    if not in_scope:
        return UsageError(NONE, "Write: loader EXPR")
    listed = ", ".join(name for name, _ in in_scope[:8])
    return UsageError(f"which loader? There are {listed}.", f"Write: loader {in_scope[0][0]}")


def iterated_loader(session: Session, place: Place) -> tuple[Any, str]:
    """Return the loader that a screen shows, and its name; it is current from now on.

    Raises:
        UsageError: there is none in scope.
    """
    current = current_of(session)
    in_scope = loaders(session, place)
    if current.loader is None or (in_scope and not current.asked):
        if not in_scope:
            raise _which(in_scope)
        loader, name = _iterated_last(in_scope, session)
        if loader is not current.loader:
            current.choose(loader, name, asked=False)
    return current.loader, current.name


def _iterated_last(in_scope: list[tuple[str, Any]], session: Session) -> tuple[Any, str]:
    """Return the loader that the program iterates now, or iterated last; else the first."""
    watch = watch_of(session)
    named = {id(loader): (loader, name) for name, loader in in_scope}
    for loader in watch.latest() if watch is not None else ():
        if id(loader) in named:
            return named[id(loader)]
    if len(in_scope) > 1:
        running = [each for each in map(vars, all_iterators()) if each.get("_num_yielded")]
        samplers = {id(each.get("_index_sampler")) for each in running}
        for name, loader in in_scope:
            if id(loader._index_sampler) in samplers:
                return loader, name
    return in_scope[0][1], in_scope[0][0]


def others(loader: Any, session: Session, place: Place) -> tuple[str, ...]:
    """Return the names of at most 32 other loaders in scope, those that come after it first."""
    in_scope = loaders(session, place)
    at = next((n for n, (_, each) in enumerate(in_scope) if each is loader), -1)
    return tuple(name for name, _ in (*in_scope[at + 1 :], *in_scope[: max(at, 0)]))[:32]


def _hint(value: Any, session: Session, place: Place) -> str:
    if hasattr(value, "__getitem__") and hasattr(value, "__len__"):
        return "Of a dataset make a loader: loader torch.utils.data.DataLoader(EXPR, batch_size=8)"
    listed = ", ".join(name for name, _ in loaders(session, place)[:8])
    return f"In scope: {listed}." if listed else NONE


def loaders(session: Session, place: Place) -> list[tuple[str, Any]]:
    """Return the loaders in scope with the name of each; without any, one whose loop runs."""
    named: dict[int, tuple[str, Any]] = {}
    for space in names.namespaces(place.frame, session.space):
        for name, value in names.reachable(space):
            if issubclass(type(value), DataLoader):
                named.setdefault(id(value), (name, value))
    nameless = () if named else order.all_iterators()
    running = [each for each in nameless if not vars(each).get("_shutdown")]
    return list(named.values()) or [("unnamed", order.loader_of(each)) for each in running[:1]]
