"""The answer to ``:mods``: which modules, a window on them, and what stands beside them."""

from __future__ import annotations

import msgspec
from torch import nn

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.modules.reach import LISTED, Optimizers, ids_in, strays
from gradrepl.engine.modules.tree import Tree
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place
from gradrepl.engine.tensor import figures, hooks
from gradrepl.engine.tensor import names as engine_names
from gradrepl.engine.tensor.names import Names
from gradrepl.errors import StateError, UsageError

Root = tuple[str, str, nn.Module]
"""Title, what the paths below begin with, and the module."""


def modules(request: p.ModuleRows, session: Session, place: Place) -> model.Modules:
    """Return a window on the modules below an expression, or below every root in reach.

    Raises:
        UsageError: the expression is no module.
        StateError: there is no module in reach.
    """
    names = session.names(place.frame)
    roots = _roots(request.expression, names, session, place)
    with figures.quiet():
        return _window(request, session, place, names, roots)


def _window(
    request: p.ModuleRows, session: Session, place: Place, names: Names, roots: list[Root]
) -> model.Modules:
    spaces = engine_names.namespaces(place.frame, session.space)
    optimizers = Optimizers(spaces)
    ran = session.stepper.recorder.paths.ran()
    tree = Tree(roots, optimizers, ran)
    shown = tree.shown(request.depth)
    first = max(0, min(request.first, len(shown) - 1))
    places = [(spot.prefix.rstrip("."), spot.module) for spot in tree.spots]
    lost = strays(places, spaces, names, optimizers, frozenset(tree.parameters))
    known = names.tensors.keys() | tree.parameters.keys() | ids_in(spaces)
    missed = tree.missed()
    tops = [s for s, spot in zip(tree.sums, tree.spots, strict=True) if not spot.depth]
    rows = [tree.row(at, request.depth) for at in shown[first : first + request.count]]
    if rows and not first:
        everywhere = (*rows[0].hooks, *hooks.of_all())
        rows[0] = msgspec.structs.replace(rows[0], hooks=everywhere)
    return model.Modules(
        rows=tuple(rows),
        first=first,
        total=len(shown),
        roots=tuple(title for title, _, _ in roots),
        parameters=sum(each.total for each in tops),
        trainable=sum(each.trainable for each in tops),
        tensors=len(tree.parameters),
        optimizers=optimizers.names,
        missed=tuple(missed[:LISTED]),
        missed_total=len(missed),
        unknown=sum(id(each) not in known for each in optimizers.tensors),
        strays=lost,
        recorded=ran is not None,
    )


def _roots(expression: str, names: Names, session: Session, place: Place) -> list[Root]:
    prefixes = {id(root): prefix for prefix, root in names.roots}
    if not expression:
        found = [(names.modules[id(root)], prefix, root) for prefix, root in names.roots]
        if not found:
            raise StateError(
                "there is no module in reach here.", "':mods EXPR' shows the one that EXPR is."
            )
        return found
    module = session.evaluate(expression, place)
    if isinstance(module, nn.Module) and "_modules" not in vars(module):
        raise UsageError(
            f"'{expression}' is a {type(module).__name__} that is not made yet.",
            "Call super().__init__() first in its __init__.",
        )
    if not isinstance(module, nn.Module):
        raise UsageError(
            f"'{expression}' is a {type(module).__name__}, not a module.",
            "':mods' alone shows all modules in reach.",
        )
    title = names.modules.get(id(module), expression)
    return [(title, prefixes.get(id(module), f"{title}."), module)]
