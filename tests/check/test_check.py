"""``gradrepl check``, ``gradrepl.check()`` and the fixture: what they print, return and leave."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gradrepl import checked, model
from gradrepl.model.rules import RULES

HOUSE = Path(__file__).parent.parent.parent
WRONG = """\
import sys, torch
from torch import nn
torch.manual_seed(0)
net = nn.Linear(3, 1)
scale = nn.Parameter(torch.ones(1))
opt = torch.optim.SGD([*net.parameters(), scale], lr=0.1)
for step in range(3):
    x = torch.randn(8, 3)
    factor = scale.item()
    loss = (net(x) * factor).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, loss.item())
print(sys.argv[1:], input())
"""
RIGHT = WRONG.replace("scale.item()", "scale")
RAISES = (
    "import torch\nx = torch.ones(2, requires_grad=True)\ny = x.exp()\ny += 1\ny.sum().backward()\n"
)


@pytest.fixture
def shell(tmp_path):
    env = {
        **os.environ,
        "PYTHONPATH": str(HOUSE),
        "COLUMNS": "100",
        "XDG_STATE_HOME": str(tmp_path),
    }

    def run(*args, text=WRONG, typed="hello\n"):
        (tmp_path / "train.py").write_text(text)
        return subprocess.run(
            [sys.executable, "-m", "gradrepl", "check", *args], input=typed, text=True,
            capture_output=True, timeout=120, cwd=tmp_path, env=env,
        )  # fmt: skip

    run.folder, run.env = tmp_path, env
    return run


def alone(shell, *args, text=WRONG):
    (shell.folder / "train.py").write_text(text)
    return subprocess.run(
        [sys.executable, "train.py", *args], input="hello\n", text=True, capture_output=True,
        timeout=120, cwd=shell.folder, env=shell.env,
    )  # fmt: skip


def test_it_tells_the_line_the_name_and_what_to_write(shell):
    done = shell("train.py", "--lr", "3")
    bare = alone(shell, "--lr", "3")
    assert done.stdout.startswith(bare.stdout)
    assert done.stderr == bare.stderr
    told = done.stdout.removeprefix(bare.stdout)
    assert "scale never gets a gradient: it is made a plain number by item (train.py:9)." in told
    assert "Compute with the tensor, not with its number." in told
    assert "train.py:9  factor = scale.item()" in told
    assert done.returncode == checked.FAULTY


def test_json_and_sarif(shell):
    done = shell("--json", "train.py")
    (finding,) = json.loads(done.stdout.splitlines()[-1])["findings"]
    assert finding["rule"] == "cut"
    assert finding["severity"] == "error"
    assert finding["subjects"] == ["scale", "factor"]
    (site,) = finding["sites"]
    assert (site["role"], site["line"], site["text"]) == ("root", 9, "factor = scale.item()")
    assert Path(site["file"]).name == "train.py"
    done = shell("--sarif", "train.py")
    (run,) = json.loads(done.stdout.splitlines()[-1])["runs"]
    (result,) = run["results"]
    assert result["ruleId"] == "cut"
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == set(RULES)
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == (shell.folder / "train.py").as_uri()
    assert place["region"] == {"startLine": 9}


def test_a_right_program_has_its_own_exit_code(shell):
    done = shell("train.py", text=RIGHT)
    assert done.stdout.endswith("No problem found in the whole run.\n")
    assert done.returncode == 0
    assert shell("train.py", text=RIGHT + "sys.exit(7)\n").returncode == 7


def test_from_which_severity_on_it_fails(shell):
    assert shell("--fail-on", "never", "train.py").returncode == 0
    done = shell("--fail-on", "nothing", "train.py")
    assert done.returncode == 2
    assert "--fail-on" in done.stderr


def test_so_many_steps(shell):
    done = shell("--steps", "2", "train.py")
    assert [line.split()[0] for line in done.stdout.splitlines()[:2]] == ["0", "!"]
    assert done.returncode == checked.FAULTY


def test_what_the_program_raises_is_told_and_printed(shell):
    done = shell("train.py", text=RAISES)
    assert "Traceback (most recent call last)" in done.stderr
    assert "'y' (train.py:4), which exp (train.py:3) had saved for its backward." in done.stdout
    assert done.returncode == checked.FAULTY
    done = shell("train.py", text="import torch\ntorch.ones(1)\nraise KeyError('mine')\n")
    assert "KeyError: 'mine'" in done.stdout
    assert done.returncode == 1


def test_bad_input_is_one_sentence(shell):
    for args, sentence in (
        ((), "'gradrepl check' needs a script."),
        (("nosuch.py",), "there is no script 'nosuch.py'."),
        (("--nosuch", "train.py"), "'gradrepl check' does not take '--nosuch'."),
        (("--steps", "x", "train.py"), "invalid int value"),
    ):
        done = shell(*args)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_a_module(shell):
    done = shell("-m", "train", "--lr", "3")
    assert "scale never gets a gradient" in done.stdout
    assert "['--lr', '3'] hello" in done.stdout


API = """\
import torch
import gradrepl
w = torch.ones(2, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.1)
with gradrepl.check() as c:
    for _ in range(2):
        loss = w.detach().sum() * torch.ones((), requires_grad=True)
        loss.backward()
        opt.step()
print(c, [each.rule for each in c.errors], c.warnings)
with gradrepl.check() as right:
    (w * 2).sum().backward()
print(right, right.findings)
"""


def test_in_a_program(shell):
    done = alone(shell, text=API)
    assert done.stdout.splitlines() == [
        "<gradrepl.check: 1 error, 0 warnings> ['cut'] ()",
        "<gradrepl.check: 0 errors, 0 warnings> ()",
    ]


TESTS = """\
import torch

def broken():
    w = torch.ones(2, requires_grad=True)
    opt = torch.optim.SGD([w], lr=0.1)
    for _ in range(2):
        loss = w.detach().sum() * torch.ones((), requires_grad=True)
        loss.backward()
        opt.step()

def test_broken(gradrepl_check):
    broken()

def test_without():
    broken()

def test_right(gradrepl_check):
    gradrepl_check.fail_on = "warning"
    torch.ones(2, requires_grad=True).sum().backward()
"""


def test_as_a_fixture(shell):
    (shell.folder / "test_it.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"], text=True,
        capture_output=True, timeout=120, cwd=shell.folder, env=shell.env,
    )  # fmt: skip
    assert "3 passed, 1 error" in done.stdout
    assert "never gets a gradient" in done.stdout


def test_the_rules_are_documented():
    for word, info in RULES.items():
        assert info.severity in ("error", "warning", "note"), word
        assert info.what.endswith(".")
    row = model.Finding(rule="cut", severity="error", message="it is cut.")
    assert checked.sarif([row])["runs"][0]["results"][0]["level"] == "error"
