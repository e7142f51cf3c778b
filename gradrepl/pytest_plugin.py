"""pytest's plugin: ``--gradrepl`` opens a session where a test failed; capturing steps aside.

The fixture ``gradrepl_check`` judges what a test runs, and fails it where an error is found.

It is loaded with every run of pytest, so it imports nothing of ours before it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any

import pytest

_PYTESTS = ("_pytest", "pluggy")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--gradrepl``."""
    parser.getgroup("debugging").addoption(
        "--gradrepl",
        action="store_true",
        help="Open gradrepl where a test fails: the frames, their tensors, their graphs.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Have output captured no more while a client has the terminal.

    Raises:
        pytest.UsageError: the tests run in several processes.
    """
    if config.getoption("--gradrepl") and config.getoption("numprocesses", None):
        raise pytest.UsageError("--gradrepl needs the tests in one process: add '-n 0'.")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        return
    from gradrepl import guest

    def aside() -> None:
        capture.suspend_global_capture(in_=True)

    guest.before_lending.append(aside)
    guest.after_lending.append(capture.resume_global_capture)
    config.add_cleanup(lambda: guest.before_lending.remove(aside))
    config.add_cleanup(lambda: guest.after_lending.remove(capture.resume_global_capture))


@pytest.fixture
def gradrepl_check() -> Iterator[Any]:
    """Judge what the test runs; it fails where something of the severity ``fail_on`` is found.

    ``gradrepl_check.fail_on = "warning"`` in the test counts warnings, too.
    """
    import gradrepl
    from gradrepl import draw

    with gradrepl.check() as check:
        yield check
    if check.errors or (check.warnings and check.fail_on == "warning"):
        pytest.fail(draw.text(check.record()), pytrace=False)


def pytest_exception_interact(
    node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any], report: Any
) -> None:
    """Look at where it failed."""
    if not node.config.getoption("--gradrepl") or call.excinfo is None:
        return
    from gradrepl.engine.boundary import Part
    from gradrepl.guest import api

    with Part("looking at where a test failed"):
        error = call.excinfo.value
        api.look_at(error, _beyond_pytest(error.__traceback__))


def _beyond_pytest(tb: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback that begins in the test."""
    rest = tb
    while rest and str(rest.tb_frame.f_globals.get("__name__", "")).startswith(_PYTESTS):
        rest = rest.tb_next
    return rest or tb
