"""A real debuggee for each test: one process, emptied in between, as long as it stays well."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from debuggee import Debuggee, debuggee

ADDRESS = re.compile("0x[0-9a-f]+")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two debuggees at once shall not fight for the cores."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


class House:
    """Keeps one debuggee from test to test."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._found: Debuggee | None = None

    def fetch(self) -> Debuggee:
        """Return a debuggee at an empty idle prompt, with torch there."""
        if self._found is None or not self._found.reset():
            self.close()
            self._found = self._stack.enter_context(debuggee())
            assert self._found.reset()
        return self._found

    def close(self) -> None:
        """Stop it."""
        self._stack.close()
        self._found = None


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    found = House()
    yield found
    found.close()


@pytest.fixture
def d(house: House) -> Debuggee:
    """Return a debuggee that nothing has been typed at."""
    return house.fetch()


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a script and gives its path."""

    def write(text: str, name: str = "train.py") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


class Both:
    """Runs a script alone and, at the same time, in a debuggee: (stdout, stderr, status) each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, path, *args, go=lambda d: d.cont(), stdin=""):
        (self._folder / "in").write_text(stdin)
        with (
            self._streams("alone") as streams,
            subprocess.Popen([sys.executable, path, *args], cwd=path.parent, **streams) as alone,
            self._streams("under") as streams,
            debuggee(warm=False, cwd=path.parent, **streams) as d,
        ):
            d.load(path, *args)
            while d.prompt is not None and d.prompt.state != "idle":
                go(d)
            code = d.quit()
        return (*self._texts("under"), code), (*self._texts("alone"), alone.returncode)

    @contextmanager
    def _streams(self, who):
        with ExitStack() as stack:
            yield {
                "stdin": stack.enter_context((self._folder / "in").open("rb")),
                "stdout": stack.enter_context((self._folder / f"{who}.out").open("wb")),
                "stderr": stack.enter_context((self._folder / f"{who}.err").open("wb")),
            }

    def _texts(self, who):
        for kind in ("out", "err"):
            text = (self._folder / f"{who}.{kind}").read_bytes().decode()
            yield ADDRESS.sub("0x", text)


@pytest.fixture
def both(tmp_path):
    return Both(tmp_path)
