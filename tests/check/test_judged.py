"""A program that is judged prints, leaves behind and returns what it does alone, to the bit.

The programs of ``tests/programs`` end with digests of parameters, gradients and generators.
"""

import os

import pytest
from debuggee import ROOT

from gradrepl import protocol

PROGRAMS = sorted((ROOT / "tests" / "programs").glob("[a-z]*.py"))
ALL = bool(os.environ.get("GRADREPL_ALL"))
ALWAYS = ("own_functions", "optimizers", "hooks", "half_precision", "signals", "strange_objects")
"""Programs that meet what the check puts in place of torch's own."""
TOLD = {
    "schedulers": {"scheduler-first"},  # torch warns of it, too
    "uncaught": {"shape", "called"},
}
"""Rules that are right to speak."""
SLOW = ("forkserver", "spawn_workers", "terminated", "deep_graph")


def chosen():
    paths = [path for path in PROGRAMS if path.stem not in SLOW]
    some = {*paths[::4], *(path for path in paths if path.stem in ALWAYS)}
    return paths if ALL else sorted(some)


@pytest.mark.parametrize("path", chosen(), ids=lambda path: path.stem)
def test_judged(path, attached):
    found = []

    def go(d):
        d.look(protocol.Check())
        while d.prompt is not None and d.prompt.state != "idle":
            d.cont()
        if d.prompt is not None:
            found.extend(d.look(protocol.AskFindings(run=True)).rows)

    attached([str(path)], go)
    told = {each.rule for each in found if each.severity in ("error", "warning")}
    assert told <= TOLD.get(path.stem, set()), [each.message for each in found]
    assert not [each.message for each in found if each.rule == "check-failed"]
