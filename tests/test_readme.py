"""The README's tables are those of the help, its commands those that CI runs.

``GRADREPL_UPDATE=1 pytest tests/test_readme.py`` writes the tables anew.
"""

from __future__ import annotations

import os
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from gradrepl import conditions, model
from gradrepl.commands.registry import Command, by_group
from gradrepl.commands.table import COMMANDS
from gradrepl.tui import views
from gradrepl.tui.views import VIEWS
from gradrepl_loader_lab.records import EpochRun, Synthetic

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
SHOWN = (
    model.Stop, model.Op, model.Node, model.TensorInfo, model.Stats, model.Pass, model.Value,
    model.Error, model.Ended, model.Site, model.Tensor, model.Storages, model.Storage,
    model.Member, model.Sharing, model.Comparison, model.Copies, model.Versions,
    model.MemoryUse,
    model.Paths, model.Path, model.PathStep, model.Terms, model.Addends, model.Rule, model.Verified,
    model.Modules, model.ModuleRow, model.FunctionInfo, model.GraphView, model.NodeRow, model.OpRow,
    model.Loader, model.Batch, model.SampleRow, model.Sample, model.Part, model.LoaderCheck,
    model.Finding,
    model.Epoch, EpochRun, Synthetic, model.Health, model.HealthRow,
    model.Exported, model.Exporters, model.PluginList, model.Findings, model.Table,
)  # fmt: skip


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def come_along() -> list[Command]:
    """Return the commands of the plugins that come along."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    modules = map(import_module, project["entry-points"]["gradrepl"].values())
    brought = [getattr(module, "gradrepl_commands", list)() for module in modules]
    return [function.command for functions in brought for function in functions]


def commands() -> str:
    lines = ["| word | short | what it does |", "| --- | --- | --- |"]
    assert COMMANDS
    for group, entered in by_group().items():
        ours = [each for each in entered if each.function.__module__.startswith("gradrepl.")]
        lines += [f"| **{group}** | | |"] if ours else []
        lines += [
            f"| `{cell(each.usage)}` | {' '.join(f'`{a}`' for a in each.aliases)} "
            f"| {cell(each.summary)} |"
            for each in [*ours, *(each for each in come_along() if each.group == group)]
        ]
    return "\n".join(lines)


def keys() -> str:
    for command in come_along():
        if command.key is not None and command.key.page:
            views.add_key(command)
    lines = ["| key | what it does |", "| --- | --- |"]
    for group, rows in views.table().items():
        lines.append(f"| **{group}** | |")
        lines += [
            f"| {' '.join(f'`{cell(k)}`' for k in key.shown.split())} | {cell(key.help)} |"
            for key in rows
            if key not in [view.key for view in VIEWS if not view.ours]
        ]
    for view in VIEWS:
        if view.keys:
            lines.append(f"| **On {view.digit} {view.title}** | |")
            lines += [f"| `{key.shown}` | {cell(key.help)} |" for key in view.keys]
    return "\n".join(lines)


def records() -> str:
    lines = ["| `type` | fields |", "| --- | --- |"]
    for each in SHOWN:
        name = getattr(each.__struct_config__, "tag", None) or f"({each.__name__.lower()})"
        lines.append(f"| {name} | {', '.join(f'`{f}`' for f in each.__struct_fields__)} |")
    return "\n".join(lines)


def kinds() -> str:
    lines = ["| CONDITION | for example | where it stops |", "| --- | --- | --- |"]
    for kind in conditions.OURS:
        examples, _, where = kind.help.partition(": ")
        lines.append(f"| `{kind.usage}` | `{examples}` | {where} |")
    return "\n".join(lines)


BLOCKS = [commands, keys, kinds, records]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.__name__)
def test_tables_are_current(block: object) -> None:
    name = block.__name__  # type: ignore[attr-defined]
    text = README.read_text()
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    wanted = block()  # type: ignore[operator]
    if os.environ.get("GRADREPL_UPDATE"):
        text = pattern.sub(lambda found: f"{found[1]}{wanted}\n{found[2]}", text)
        README.write_text(text)
    found = pattern.search(text)
    assert found is not None
    assert found[0] == f"{found[1]}{wanted}\n{found[2]}"


def test_its_test_command_is_what_ci_runs() -> None:
    lines = [line for line in README.read_text().splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert all("pip install -q -c .ci/constraints.txt -e" in line for line in lines)
    assert "gradrepl examples/digits_cnn.py" in lines[0]
    assert "pytest" in lines[1]
    assert "README.md" in (ROOT / ".ci/run").read_text()


def test_every_condition_of_the_hint_can_be_written() -> None:
    written = {
        "LINE, FILE:LINE": "a.py:3", "FUNCTION": "forward", "nan, inf": "inf", "batch N": "batch 7",
        "norm > X": "norm > 3", "verdict WORD": "verdict nan",
    }  # fmt: skip
    for kind in conditions.OURS:
        assert isinstance(conditions.parse(written.get(kind.usage, kind.usage)), kind)
        assert kind.usage in conditions.usages()


def test_tested_versions_are_pinned() -> None:
    pinned = (ROOT / ".ci/constraints.txt").read_text()
    for name in ("torch", "textual", "rich", "prompt_toolkit", "msgspec", "pytest"):
        assert re.search(rf"^{name}==", pinned, re.MULTILINE | re.IGNORECASE), name
