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
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
FILES = sorted([*PACKAGE.rglob("*.py"), *PLUGINS])
PLUGIN_API = (
    "gradrepl.commands.registry",
    "gradrepl.conditions",
    "gradrepl.draw",
    "gradrepl.engine.code",
    "gradrepl.engine.data",
    "gradrepl.engine.explain.loader_errors",
    "gradrepl.engine.health.wanted",
    "gradrepl.engine.tensor",
    "gradrepl.errors",
    "gradrepl.export",
    "gradrepl.hookspecs",
    "gradrepl.model",
    "gradrepl.plugins",
    "gradrepl.protocol",
    "gradrepl.traced",
    "gradrepl.tui.keys",
    "gradrepl.tui.pages.page",
    "gradrepl.tui.panels.base",
    "gradrepl.tui.views",
)
"""What a plugin may import of ours besides ``gradrepl`` itself.

Of the engine: what iterates copies of a loader without a trace in the program, and looks at data.
"""
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
        (
            ", ".join(f"gradrepl.draw.{file.stem}" for file in (PACKAGE / "draw").glob("*.py")),
            {"torch", *SCREEN},
        ),
        ("gradrepl.repl.prompt, gradrepl.repl.batch", {"torch", "textual"}),
        ("gradrepl.tui.app", {"torch", "prompt_toolkit"}),
        ("gradrepl.engine.session, gradrepl.engine.debuggee", {"torch", *SCREEN}),
        ("gradrepl.engine.graph.backward, gradrepl.engine.forward.recorder", SCREEN),
        ("gradrepl.guest.api, gradrepl.guest.__main__", {"torch", *SCREEN}),
        ("gradrepl.traced", {"torch", *SCREEN}),
        ("gradrepl.client, gradrepl.commands.conversation", {"torch", *SCREEN}),
    ],
)
def test_each_wing_loads_only_its_own(wing: str, forbidden: set[str]) -> None:
    assert loaded_after(f"import {wing}") & forbidden == set()


def module_of(file: Path) -> str:
    inside = file.relative_to(ROOT if PACKAGE in file.parents else ROOT / "plugins")
    return ".".join(inside.with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(file): file for file in FILES}


def imports_of(file: Path) -> set[str]:
    """Return every module that ``file`` names in an import: in functions and for typing, too."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{file}: a relative import"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            named |= {each if each in MODULES else node.module for each in full}
    return named


BELOW = ("model", "protocol", "conditions", "draw", "errors")
"""What both wings import, and what imports neither of them."""
CLIENTS = ("tui", "repl", "commands")
MAY_NOT = {
    **dict.fromkeys(BELOW, ("engine", "guest", *CLIENTS, "cli", "link", "config")),
    "engine": ("guest", *CLIENTS),
    "guest": CLIENTS,
    "tui": ("engine", "repl"),
    "repl": ("engine", "tui"),
    "commands": ("engine", "tui", "repl"),
}
"""Rooms that a room may not import."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_directions(file: Path) -> None:
    room = module_of(file).removeprefix("gradrepl.").partition(".")[0]
    barred = {f"gradrepl.{each}" for each in MAY_NOT.get(room, ())}
    assert [name for name in imports_of(file) if ".".join(name.split(".")[:2]) in barred] == []


def test_every_wall_stands_at_a_room() -> None:
    rooms = {name.split(".")[1] for name in MODULES if name.startswith("gradrepl.")}
    assert {*MAY_NOT, *(each for barred in MAY_NOT.values() for each in barred)} - rooms == set()


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Return the largest groups of modules each of which leads to every other."""
    reached = {module: {module} for module in arrows}
    for start, seen in reached.items():
        todo = [start]
        while todo:
            fresh = arrows[todo.pop()] - seen
            seen |= fresh
            todo += fresh
    groups = {frozenset(e for e in seen if m in reached[e]) for m, seen in reached.items()}
    return [set(group) for group in groups if len(group) > 1]


def test_no_circle_of_imports() -> None:
    arrows = {module: imports_of(file) & {*MODULES} - {module} for module, file in MODULES.items()}
    assert circles(arrows) == []


def test_a_circle_is_found() -> None:
    arrows = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert circles(arrows) == [{"b", "c"}]


@pytest.mark.parametrize("file", PLUGINS, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_plugin_imports_what_a_stranger_may(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names if "gradrepl." in alias.name} == set()
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gradrepl."):
            assert node.module.startswith(PLUGIN_API)
        elif isinstance(node, ast.ImportFrom) and node.module == "gradrepl":
            names = {f"gradrepl.{alias.name}" for alias in node.names} - {"gradrepl.hookimpl"}
            assert [name for name in names if not name.startswith(PLUGIN_API)] == []


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


@pytest.mark.parametrize("words", [("check",), ("format", "--check")])
def test_ruff_has_nothing_to_say(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "ruff", *words, "--quiet", "--no-cache", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_lines_set_by_hand_are_few() -> None:
    assert sum(file.read_text().count("# fmt: skip") for file in FILES) <= 56  # to go down to 20


def test_public_face() -> None:
    assert sorted(gradrepl.__all__) == [
        "Aborted", "AutogradError", "ConditionError", "ConfigError", "GradreplError", "LinkError",
        "PluginError", "RefusedError", "StateError", "TargetError", "UsageError", "__version__",
        "check", "embed", "hookimpl", "listen", "load_ipython_extension", "pm", "post_mortem",
        "run", "runcall", "runeval", "set_trace", "trace", "unload_ipython_extension", "watch",
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


def private_parts(file: Path) -> list[str]:
    """Return the private parts of torch that a file reaches for, with their lines."""
    torch_names, reached = {"torch"}, []
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
            torch_names |= {alias.asname or alias.name for alias in node.names}
            words = [*str(node.module).split("."), *(alias.name for alias in node.names)]
            reached += [f"{node.lineno}: {word}" for word in words if is_private(word)]
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=owner, attr=name):
                pass
            case ast.Call(func=ast.Name("getattr"), args=[owner, ast.Constant(name), *_]):
                pass
            case _:
                continue
        while isinstance(owner, ast.Attribute) and not is_private(owner.attr):
            owner = owner.value
        if isinstance(owner, ast.Name) and owner.id in torch_names and is_private(str(name)):
            reached.append(f"{node.lineno}: {name}")
    return reached


def is_private(word: str) -> bool:
    return word.startswith("_") and not word.startswith("__")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_private_parts_of_torch_are_named_in_one_file(file: Path) -> None:
    if file.name != "torch_private.py":
        assert private_parts(file) == []


def test_private_parts_are_found(tmp_path: Path) -> None:
    reached = tmp_path / "reached.py"
    reached.write_text(
        "import torch\n"
        "from torch.utils.data import dataloader, _utils\n"
        "from torch.utils._device import DeviceContext\n"
        "torch._C._functorch.x, dataloader._Base, torch.autograd.backward, torch.nn.__file__\n"
        'getattr(torch.autograd, "_engine")\n'
    )
    parts = ["2: _utils", "3: _device", "4: _Base", "4: _C", "5: _engine"]
    assert sorted(private_parts(reached)) == parts
