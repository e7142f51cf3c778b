"""Plugins: found, blocked, disabled; their words, conditions, facts, findings and observers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WHOLE = '''
import gradrepl
from gradrepl import errors, protocol
from gradrepl.commands.registry import Expression, command
from gradrepl.conditions import Kind
from gradrepl.model import Finding, Record

LOG = open(PATH, "a", buffering=1)

class AskHeat(protocol.Request, frozen=True, kw_only=True):
    of: str

class Heat(Record, frozen=True, kw_only=True):
    sum: float
    shape: tuple[int, ...]

@command("heat", "ht", group="Looking")
async def heat(talk, expression: Expression):
    """Show how hot EXPR is."""
    return await talk.ask(AskHeat(of=expression))

@gradrepl.hookimpl
def gradrepl_drawings():
    return {Heat: draw}

def draw(record, look):
    return [[("heat of [/b] ", "title"), (f"{record.shape} {record.sum:g}", "bad")]]

@gradrepl.hookimpl
def gradrepl_commands():
    return [heat]

@gradrepl.hookimpl
def gradrepl_conditions():
    return [Louder]

class Louder(Kind, frozen=True):
    word, usage, help = "louder", "louder X", "b louder 10: where a norm is above 10."
    limit: float

    def matches(self, event):
        return any(norm > self.limit for norm in event.norms())

@gradrepl.hookimpl
def gradrepl_answer(request, here):
    if isinstance(request, AskHeat):
        value = here.evaluate(request.of)
        return Heat(sum=value.sum().item(), shape=tuple(value.shape))

@gradrepl.hookimpl
def gradrepl_facts(tensor, name):
    import torch
    assert not torch.is_grad_enabled()
    return [("mean abs", f"{tensor.abs().mean().item():g} of {name}")]

@gradrepl.hookimpl
def gradrepl_findings(names):
    if "bad" in names:
        return [Finding(severity="error", message="bad is there.")]

@gradrepl.hookimpl
def gradrepl_stop(stop):
    print("stop", stop.phase, file=LOG)

@gradrepl.hookimpl
def gradrepl_pass(done):
    print("pass", done.outcome, file=LOG)

@gradrepl.hookimpl
def gradrepl_event(event):
    print(event.kind, event.when, event.name, file=LOG)
'''
TRAIN = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.Adam(model.parameters())
for step in range(3):
    optimizer.zero_grad()
    loss = (model(torch.rand(4, 3)) * torch.rand(4, 2)).square().mean()
    loss.backward()
    optimizer.step()
print(repr([p.tolist() for p in model.parameters()]), torch.rand(1).item())
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "whole.py").write_text(WHOLE.replace("PATH", repr(str(tmp_path / "log"))))
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def run(work: Path, *lines: str, args: tuple[str, ...] = (), face: str = "--json") -> Any:
    env = {**os.environ, "XDG_CONFIG_HOME": str(work / "config"), "XDG_STATE_HOME": str(work)}
    done = subprocess.run(
        [sys.executable, "-m", "gradrepl", face, *args], input="\n".join(lines),
        capture_output=True, text=True, cwd=work, env=env, timeout=100,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def records(work: Path, *lines: str, args: tuple[str, ...] = ("--plugin", "whole.py")) -> list[Any]:
    out = run(work, *lines, args=args).stdout
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def of(found: list[Any], kind: str) -> list[Any]:
    return [record for record in found if record["type"] == kind]


def test_a_plugin_brings_words_facts_findings_and_conditions(work: Path) -> None:
    found = records(
        work, "x = torch.ones(3, requires_grad=True)", ":heat x + 1", "ht x", ":t x", "bad = 1",
        ":findings", "b louder 1.9", ":bw (x * 2).sum()", "c", ":clear", "c", ":heat nosuch",
        ":plugins",
    )  # fmt: skip
    assert of(found, "Heat") == [
        {"type": "Heat", "sum": 6.0, "shape": [3]}, {"type": "Heat", "sum": 3.0, "shape": [3]},
    ]  # fmt: skip
    assert of(found, "Tensor")[0]["more"] == [["mean abs", "1 of x"]]
    finding = of(found, "Findings")[0]["rows"][0]
    assert finding["message"] == "bad is there."
    assert finding["evidence"] == "says the plugin 'whole'"
    stops = of(found, "Stop")
    assert [stop["op"]["name"] for stop in stops if stop["op"]] == ["mul", "sum"]
    assert "breakpoint 1: louder 1.9" in stops[0]["reason"]
    error = of(found, "Error")[-1]
    assert "nosuch: NameError" in error["message"]
    rows = of(found, "PluginList")[0]["rows"]
    assert {(row["side"], row["state"]) for row in rows if row["name"] == "whole"} == {
        ("client", "loaded"), ("program", "loaded"),
    }  # fmt: skip


def test_observers_see_everything_and_change_nothing(work: Path) -> None:
    bare = subprocess.run(
        [sys.executable, "train.py"], capture_output=True, text=True, cwd=work, check=True
    )
    done = run(work, "s 3", "b node Addmm*", "c", "clear", "c", face="--plain",
               args=("--plugin", "whole.py", "train.py"))  # fmt: skip
    assert bare.stdout.strip() in done.stdout
    assert done.returncode == 0
    log = (work / "log").read_text().splitlines()
    assert log.count("stop backward") == 1
    assert log.count("pass finished") == 3
    assert log.count("op after linear") == 3
    nodes = [line for line in log if line.startswith("node before")]
    assert nodes.count("node before AddmmBackward0") == 3
    assert nodes.count("node before AccumulateGrad") == 6


def test_one_that_raises_is_disabled_and_named_and_the_run_goes_on(work: Path) -> None:
    (work / "bad.py").write_text(
        "import gradrepl\n"
        "@gradrepl.hookimpl\ndef gradrepl_stop(stop):\n    raise ValueError('[/b]')\n"
        "@gradrepl.hookimpl\ndef gradrepl_facts(tensor, name):\n    return [('a', 'b')]\n"
    )
    found = records(
        work, "s", "s", "c", "x = torch.ones(1)", ":t x", args=("--plugin", "bad.py", "train.py")
    )
    errors = of(found, "Error")
    said = "the plugin 'bad' is disabled: gradrepl_stop raised ValueError: [/b] (bad.py:4)."
    assert [error["message"] for error in errors if "plugin" in error["message"]] == [said]
    assert len(of(found, "Stop")) == 3
    assert of(found, "Tensor")[0]["more"] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import torch\n", "torch belongs to the other half"),
        ("1 / 0\n", "its import raised ZeroDivisionError"),
        ("def (:\n", "its import raised SyntaxError"),
        (
            "import gradrepl\n@gradrepl.hookimpl\ndef gradrepl_commands():\n    return 3\n",
            "TypeError",
        ),
        (
            "import gradrepl\nfrom gradrepl.commands.registry import command\n"
            "@command('step', group='x')\nasync def step(talk):\n    'x'\n"
            "@gradrepl.hookimpl\ndef gradrepl_commands():\n    return [step]\n",
            "there is a command 'step'",
        ),
    ],
)  # fmt: skip
def test_one_that_cannot_be_loaded_is_named(work: Path, text: str, said: str) -> None:
    (work / "odd.py").write_text(text)
    found = records(work, "1 + 1", args=("--plugin", "odd.py"))
    assert said in of(found, "Error")[0]["message"]
    assert "the plugin 'odd' is disabled" in of(found, "Error")[0]["message"]
    assert of(found, "Value")[0]["text"] == "2"


def test_the_folder_of_the_configuration_and_blocking(work: Path) -> None:
    folder = work / "config" / "gradrepl" / "plugins"
    folder.mkdir(parents=True)
    (folder / "gradrepl_mine.py").write_text((work / "whole.py").read_text())
    rows = of(records(work, ":plugins", args=()), "PluginList")[0]["rows"]
    assert ("mine", "loaded") in {(row["name"], row["state"]) for row in rows}
    found = records(work, ":heat 1", ":plugins", args=("-p", "no:mine"))
    assert of(found, "Error")[0]["message"].startswith("there is no command 'heat'")
    states = {(row["name"], row["side"]): row["state"]
              for row in of(found, "PluginList")[0]["rows"]}  # fmt: skip
    assert states["mine", "client"] == states["mine", "program"] == "blocked"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--plugin", "nosuch.py"), "there is no file 'nosuch.py'"),
        (("--plugin",), "'--plugin' needs a Python file"),
        (("-p", "mine"), "'-p mine' is not understood"),
    ],
)
def test_the_command_line_says_what_is_wrong(work: Path, args: tuple[str, ...], said: str) -> None:
    done = run(work, args=args)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_restarted_session_has_its_plugins(work: Path) -> None:
    found = records(work, ":heat torch.ones(2)", ":restart", ":heat torch.ones(3)")
    assert [heat["sum"] for heat in of(found, "Heat")] == [2.0, 3.0]


def test_an_installed_package_is_found_by_its_entry_point_in_both_processes(work: Path) -> None:
    site = work / "site"
    info = site / "gradrepl_outside-2.3.4.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: gradrepl-outside\nVersion: 2.3.4\n"
    )
    (info / "entry_points.txt").write_text("[gradrepl]\noutside = gradrepl_outside\n")
    (site / "gradrepl_outside.py").write_text((work / "whole.py").read_text())
    env = {**os.environ, "PYTHONPATH": str(site), "XDG_STATE_HOME": str(work)}
    for face in ("--json", "--plain", "--repl"):
        done = subprocess.run(
            [sys.executable, "-m", "gradrepl", face], input=":heat torch.ones(4)\n:plugins\n",
            capture_output=True, text=True, env=env, timeout=60,
        )  # fmt: skip
        assert "gradrepl-outside" in done.stdout
        assert done.stdout.count("2.3.4") == 2  # in the face and in the debuggee
        assert ("sum" if face == "--json" else "heat of [/b] (4,) 4\n") in done.stdout
