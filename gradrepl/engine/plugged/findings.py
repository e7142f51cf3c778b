"""What is wrong here, as far as other answers know it: the findings that need no plugin."""

from __future__ import annotations

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.engine.answers import answer
from gradrepl.engine.gate import Place
from gradrepl.engine.session import Session
from gradrepl.model import Finding
from gradrepl.model.health import PROBLEMS


def found_here(session: Session, place: Place) -> tuple[list[Finding], tuple[str, ...]]:
    """Return the findings, and what was looked at."""
    looked = ["memory in reach", "modules and optimizers in reach"]
    found = [*_memory(session, place), *_modules(session, place)]
    if session.stepper.health is not None:
        looked.append("watched gradients")
        found += _health(session, place)
    return found, tuple(looked)


def _memory(session: Session, place: Place) -> list[Finding]:
    record = answer(p.AskStorages(), session, place)
    if not isinstance(record, model.Storages):
        return []
    return [
        Finding(severity="error", what=each.sentence, site=each.site,
                do=f"':versions {each.name}' tells who wrote.")
        for each in record.stale
    ]  # fmt: skip


def _modules(session: Session, place: Place) -> list[Finding]:
    record = answer(p.ModuleRows(count=1), session, place)
    if not isinstance(record, model.Modules):
        return []
    found = []
    if record.missed_total and record.optimizers:
        several = "" if record.missed_total == 1 else "s"
        found.append(Finding(
            severity="warning",
            what=f"{record.missed_total} parameter{several} that require{'' if several else 's'} a "
            "gradient are in no optimizer: they never change.",
            why=", ".join(record.missed[:8]), do="Give them to the optimizer, or freeze them.",
        ))  # fmt: skip
    for stray in record.strays:
        found.append(Finding(
            severity="warning", what=f"{stray.name} is in no module's parameters.",
            why=stray.why, do="Keep it in a ParameterList, or as an attribute of the module.",
        ))  # fmt: skip
    return found


def _health(session: Session, place: Place) -> list[Finding]:
    record = answer(p.AskHealth(), session, place)
    rows = record.rows if isinstance(record, model.Health) else ()
    return [
        Finding(severity="error" if each.verdict in ("nan", "inf") else "warning",
                what=f"the gradient of {each.name} is {each.verdict}.", why=each.why,
                do=f"':health {each.name}' tells which number crossed which limit.")
        for each in rows if each.verdict in PROBLEMS
    ]  # fmt: skip
