"""What is wrong here, as far as other answers know it: our own findings, as a plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.hookspecs import hookimpl
from gradrepl.model import Finding, sited
from gradrepl.model.health import PROBLEMS

Ask = Callable[[Any], Any]


@hookimpl
def gradrepl_findings(ask: Ask) -> list[Finding]:
    """Return what memory, modules, optimizers and watched gradients tell."""
    return [*_memory(ask), *_modules(ask), *_health(ask)]


def _memory(ask: Ask) -> list[Finding]:
    record = ask(p.AskStorages())
    if not isinstance(record, model.Storages):
        return []
    stale = [
        Finding(
            severity="error",
            message=each.sentence,
            sites=sited(root=each.site),
            fix=f"':versions {each.name}' tells who wrote.",
        )
        for each in record.stale
    ]
    return [*stale, *_half_tied(record)]


def _half_tied(record: model.Storages) -> Iterator[Finding]:
    """Yield the parameters that lie in one memory without being one, as ``.data =`` makes them."""
    for storage in record.storages:
        owned = {each.name: each for each in storage.members if each.owner == "parameter"}
        for each in owned.values():
            if each.kind == "data" and each.requires_grad and each.of in owned:
                yield Finding(
                    severity="warning",
                    message=f"{each.of} and {each.name} lie in the same memory, but are two "
                    "parameters: each has a part of the gradient, and an optimizer steps both.",
                    fix=f"Make {each.name} be {each.of} itself, not its .data.",
                )


def _modules(ask: Ask) -> list[Finding]:
    record = ask(p.ModuleRows(count=1))
    if not isinstance(record, model.Modules):
        return []
    findings = []
    if record.missed_total and record.optimizers:
        missed, one = record.missed_total, record.missed_total == 1
        subject = f"{missed} parameter{'' if one else 's'} that require{'s' if one else ''}"
        findings.append(
            Finding(
                severity="warning",
                message=f"{subject} a gradient are in no optimizer: they never change.",
                evidence=", ".join(record.missed[:8]),
                fix="Give them to the optimizer, or freeze them.",
            )
        )
    for stray in record.strays:
        findings.append(
            Finding(
                severity="warning",
                message=f"{stray.name} is in no module's parameters.",
                evidence=stray.why,
                fix="Keep it in a ParameterList, or as an attribute of the module.",
            )
        )
    return findings


def _health(ask: Ask) -> list[Finding]:
    record = ask(p.AskHealth())
    rows = record.rows if isinstance(record, model.Health) else ()
    return [
        Finding(
            severity="error" if each.verdict in ("nan", "inf") else "warning",
            message=f"the gradient of {each.name} is {each.verdict}.",
            evidence=each.why,
            fix=f"':health {each.name}' tells which number crossed which limit.",
        )
        for each in rows
        if each.verdict in PROBLEMS
    ]
