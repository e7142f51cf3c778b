"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gradrepl"
FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if ">>> " in file.read_text()]


def examples(file: Path) -> list[doctest.DocTest]:
    """Return the docstrings of a module that have examples."""
    dotted = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
    module = importlib.import_module(dotted.removesuffix(".__init__"))
    return [each for each in doctest.DocTestFinder().find(module) if each.examples]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_the_examples_of_a_file(file: Path) -> None:
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    for each in examples(file):
        told: list[str] = []
        result = doctest.DocTestRunner(optionflags=flags).run(each, out=told.append)
        assert not result.failed, "".join(told)


def test_there_are_as_many_as_we_say() -> None:
    assert sum(len(examples(file)) for file in FILES) >= 20
