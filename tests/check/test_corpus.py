"""Programs with a bug each, and right ones that look like it: what the check says of them.

``bugs.json`` has the lines and names that somebody who knows would accept. ``GRADREPL_CORPUS``
names a folder with another corpus of the same form.
"""

import json
import os
from pathlib import Path

import pytest

from gradrepl import protocol
from gradrepl.model.rules import RULES

HERE = Path(os.environ.get("GRADREPL_CORPUS", Path(__file__).parent))
COUNTED = ("error", "warning")
ALL = bool(os.environ.get("GRADREPL_ALL") or os.environ.get("GRADREPL_CORPUS"))
"""Run every program: without it every second one, and every third of those that are right."""
BUGS = json.loads((HERE / "bugs.json").read_text())
RIGHT = sorted((HERE / "right").glob("*.py"))
MISSED = set((HERE / "missed.txt").read_text().split()) if (HERE / "missed.txt").exists() else set()
"""Bugs of which the line or the name is not told yet: the list is to become shorter."""
GENERIC = {"weight", "bias", "data", "grad", "self"}


def checked(home, path):
    """Return how the program ended, and what the check found."""
    found = []

    def go(d):
        d.look(protocol.Check())
        d.run(protocol.Run(target=str(path), stops=False))
        found.extend(d.look(protocol.AskFindings(run=True)).rows)

    outcome, _ = home.inside(path.stem, go)
    return outcome, found


def parts(name):
    """Return the parts of a dotted name, without ``self`` and indices."""
    words = [each.partition("[")[0] for each in str(name).strip("'\"` ").split(".")]
    return [word for word in words if word not in ("", "self")]


def same(subject, culprit):
    """Does one of these names mean the other?"""
    a, b = parts(subject), parts(culprit)
    if not a or not b or (len(a) == 1 and a[0] in GENERIC):
        return False
    return any(a[i : i + len(b)] == b for i in range(len(a))) or b[-len(a) :] == a


def lines(finding, path):
    return {each.site.line for each in finding.sites if Path(each.site.file).name == path.name}


@pytest.mark.parametrize("name", sorted(BUGS)[:: 1 if ALL else 2])
def test_a_bug_is_told_with_its_line_and_its_name(name, home):
    truth, path = BUGS[name], HERE / "bugs" / name
    _, findings = checked(home, path)
    assert not [each for each in findings if each.rule == "check-failed"]
    assert all(each.rule in RULES for each in findings)
    counted = [each for each in findings if each.severity in COUNTED]
    if name in MISSED:
        return
    told = [(each.rule, each.message, lines(each, path), each.subjects) for each in counted]
    assert counted, "nothing was found"
    assert lines(counted[0], path) & set(truth["root_line"]), told
    names = [subject for each in counted for subject in each.subjects]
    assert any(same(one, other) for one in names for other in truth["culprit"]), told
    assert len(counted) <= 3, told


@pytest.mark.parametrize("path", RIGHT[:: 1 if ALL else 3], ids=lambda path: path.stem)
def test_a_right_program_is_not_accused_and_is_not_changed(path, home):
    compares = ALL or RIGHT.index(path) % 4 == 0
    if compares:
        home.start(str(path))
    outcome, findings = checked(home, path)
    told = [(each.rule, each.message) for each in findings]
    assert not [each for each in findings if each.severity in COUNTED], told
    assert not [each for each in findings if each.rule == "check-failed"], told
    assert not compares or outcome == home.outcome(str(path))
