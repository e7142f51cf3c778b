"""What a condition must be asked about: kinds of event, sides of them, nodes where it may hold."""

from __future__ import annotations

from typing import Any

import msgspec

from gradrepl.conditions.kinds import (
    NODE,
    PASS,
    Base,
    Both,
    Condition,
    Either,
    InModule,
    LeafIs,
    Line,
    Named,
    NodeIs,
    Where,
)
from gradrepl.conditions.verbs import Until
from gradrepl.event import Event


def events(condition: Condition) -> frozenset[str]:
    """Return the kinds of event that ``condition`` must be asked about."""
    match condition:
        case Where(inner, _):
            return events(inner)
        case Either(left, right):
            return events(left) | events(right)
        case Both(left, right):
            return (events(left) & judged(right)) | (events(right) & judged(left))
    return condition.about


def judged(condition: Condition) -> frozenset[str]:
    """Return the kinds of event that ``condition`` has an opinion on."""
    match condition:
        case Where(inner, _):
            return judged(inner)
        case Either(left, right):
            return judged(left) | judged(right)
        case Both(left, right):
            return judged(left) & judged(right)
    return condition.judges


def sides(condition: Condition, kind: str) -> frozenset[str]:
    """Return 'before', 'after' or both: the sides of a ``kind`` of event to ask at."""
    match condition:
        case Where(inner, _):
            return sides(inner, kind)
        case Both(left, right):
            common = sides(left, kind) & sides(right, kind)
            return common or frozenset({"after"})
        case Either(left, right):
            return sides(left, kind) | sides(right, kind)
    side = condition.node_when if kind == NODE else condition.when
    return frozenset({"before", "after"}) if side == "any" else frozenset({side})


def parts(condition: Base) -> list[Base]:
    """Return the simple conditions that ``condition`` is made of."""
    match condition:
        case Where(inner, _):
            return parts(inner)
        case Both(left, right) | Either(left, right):
            return parts(left) + parts(right)
    return [condition]


def lines(condition: Base) -> list[Line]:
    """Return the lines that ``condition`` is about, in part at least."""
    return [part for part in parts(condition) if isinstance(part, Line)]


def with_file(condition: Any, file: str) -> Any:
    """Return ``condition`` with its bare line numbers meant in ``file``."""
    match condition:
        case Line("", _):
            return msgspec.structs.replace(condition, file=file)
        case Where(inner, _):
            return msgspec.structs.replace(condition, condition=with_file(inner, file))
        case Both(left, right) | Either(left, right):
            return type(condition)(with_file(left, file), with_file(right, file))
    return condition


def asked(condition: Base, event: Event) -> bool:
    """Is this an event, and the side of it, that the condition must be asked about?"""
    return event.kind in events(condition) and (  # type: ignore[arg-type]
        event.kind == PASS or event.when in sides(condition, event.kind)  # type: ignore[arg-type]
    )


def only_leaves(condition: Base) -> bool:
    """Can the condition hold at leaves only?"""
    match condition:
        case Where(inner, _):
            return only_leaves(inner)
        case Both(left, right):
            return only_leaves(left) or only_leaves(right)
        case Either(left, right):
            return only_leaves(left) and only_leaves(right)
    return isinstance(condition, LeafIs)


def possible(condition: Base, event: Event) -> bool:
    """Could the condition hold at this node, whatever its gradients will be?

    Asked once for each node before a backward: where the answer is no, there is no hook.
    """
    match condition:
        case Where(inner, _):
            return possible(inner, event)
        case Both(left, right):
            return possible(left, event) and possible(right, event)
        case Either(left, right):
            return possible(left, event) or possible(right, event)
        case NodeIs() | InModule() | LeafIs() | Named():
            return condition.matches(event)
        case Until(number) if number:
            return condition.matches(event)
    return NODE in events(condition)  # type: ignore[arg-type]
