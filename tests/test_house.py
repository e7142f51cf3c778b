"""The house rules: who may import whom, how big a file may be, what the public face is."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gradrepl

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "gradrepl"
FILES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "plugins").rglob("*.py")])
SCREEN = {"textual", "prompt_toolkit", "rich"}


def loaded_after(statement: str) -> set[str]:
    """Return the top-level modules that a fresh Python has loaded after ``statement``."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


@pytest.mark.parametrize(
    ("wing", "forbidden"),
    [
        ("gradrepl", {"torch", *SCREEN}),
        ("gradrepl.cli", {"torch", *SCREEN}),
        ("gradrepl.model, gradrepl.protocol, gradrepl.conditions", {"torch", *SCREEN}),
        ("gradrepl.commands", {"torch", *SCREEN}),
        ("gradrepl.commands.conversation", {"torch", *SCREEN}),
        (", ".join(f"gradrepl.draw.{file.stem}" for file in (PACKAGE / "draw").glob("*.py")),
         {"torch", *SCREEN}),
        ("gradrepl.repl.prompt, gradrepl.repl.batch", {"torch", "textual"}),
        ("gradrepl.tui.app", {"torch", "prompt_toolkit"}),
        ("gradrepl.engine.session, gradrepl.engine.answers", {"torch", *SCREEN}),
        ("gradrepl.engine.graph.backward, gradrepl.engine.forward.recorder", SCREEN),
        ("gradrepl.guest.api, gradrepl.guest.script", {"torch", *SCREEN}),
        ("gradrepl.traced.watch, gradrepl.traced.trace", {"torch", *SCREEN}),
        ("gradrepl.visit, gradrepl.commands.visit", {"torch", *SCREEN}),
    ],
)
def test_each_wing_loads_only_its_own(wing: str, forbidden: set[str]) -> None:
    assert loaded_after(f"import {wing}") & forbidden == set()


def imports_of(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_directions(file: Path) -> None:
    wing = file.relative_to(ROOT).parts[1]
    strangers = {
        "engine": ("gradrepl.tui", "gradrepl.repl", "gradrepl.commands"),
        "guest": ("gradrepl.tui", "gradrepl.repl", "gradrepl.commands"),
        "tui": ("gradrepl.engine", "gradrepl.repl"),
        "repl": ("gradrepl.engine", "gradrepl.tui"),
        "commands": ("gradrepl.engine", "gradrepl.tui", "gradrepl.repl"),
    }.get(wing, ())
    if file.parent == PACKAGE and file.stem in ("model", "event", "protocol"):
        strangers = tuple(
            f"gradrepl.{room}" for room in ("engine", "tui", "repl", "commands", "cli", "link")
        )
    assert [name for name in imports_of(file) if name.startswith(strangers or ("-",))] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_sizes(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 400
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno >= 50
    ]
    assert long == []


def test_public_face() -> None:
    assert sorted(gradrepl.__all__) == [
        "Aborted", "AutogradError", "ConditionError", "ConfigError", "GradreplError", "LinkError",
        "PluginError", "RefusedError", "StateError", "TargetError", "UsageError", "__version__",
        "embed", "hookimpl", "listen", "load_ipython_extension", "pm", "post_mortem", "run",
        "runcall", "runeval", "set_trace", "trace", "unload_ipython_extension", "watch",
    ]  # fmt: skip
    for name in gradrepl.__all__:
        assert getattr(gradrepl, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gradrepl.nothing  # noqa: B018


def test_every_error_stands_in_the_drawn_tree() -> None:
    from gradrepl import errors

    drawn = errors.__doc__ or ""
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.GradreplError)
    ]
    assert [each.__name__ for each in classes if each.__name__ not in drawn] == []


def test_examples_are_short() -> None:
    long = [
        file.name
        for file in (ROOT / "examples").glob("*.py")
        if len(file.read_text().splitlines()) >= 60
    ]
    assert long == []
