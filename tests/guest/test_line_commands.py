"""Commands of gradrepl at the prompts of pdb, pytest and IPython."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import gradrepl
from gradrepl.line_commands import Magics

# -- pdb ---------------------------------------------------------------------------------------

UNDER_PDB = (
    "import torch, gradrepl.pdb\n"
    "def f():\n"
    "    a = torch.tensor([1.0, 2.0], requires_grad=True)\n"
    "    b = a[:1]\n"
    "    loss = (b * 3).sum()\n"
    "    t = 'mine'\n"
    "    gradrepl.pdb.set_trace()\n"
    "    loss.backward()\n"
    "    print('after', a.grad.tolist())\n"
    "f()\n"
)


def test_pdb_has_our_words(env, tmp_path):
    (tmp_path / "program.py").write_text(UNDER_PDB)
    at_the_call = sys.version_info >= (3, 13)  # pdb stops there, no longer a line later
    lines = [
        "grad a", "mem a b", "fn loss", "t", ":t b", "grad = 5", "p grad", "fn nosuch", "words",
        "help mem", *["n"] * (1 + at_the_call), ":grad a", "w", "c",
    ]  # fmt: skip
    result = subprocess.run(
        [sys.executable, "program.py"], input="\n".join(lines), text=True, env=env, cwd=tmp_path,
        capture_output=True, timeout=100,
    )  # fmt: skip
    answers = result.stdout.split("(Pdb) ")
    assert "no backward has come here" in answers[1]
    assert answers[2].startswith("b is a view of a")
    assert "SumBackward0" in answers[3]
    assert answers[4] == "'mine'\n"
    assert "shape: (1,)" in answers[5]
    assert answers[7] == "5\n"
    assert "NameError: name 'nosuch' is not defined" in answers[8]
    assert "grad" in answers[9]
    assert "bw" in answers[9]
    usage, empty, about = (line.strip() for line in answers[10].splitlines()[:3])
    assert usage.removeprefix("Usage: ").startswith("mem ")
    assert (empty, about[:31]) == ("", "Show which tensors share memory")
    gradient, stack, end = answers[12 + at_the_call :]
    assert "[3, 0]" in gradient
    assert "gradrepl/line_commands.py" not in stack
    assert "after [3.0, 0.0]" in end
    assert (result.returncode, result.stderr) == (0, "")


def test_bw_at_pdb_brings_the_client(start):
    t = start(UNDER_PDB.replace("    loss.backward()\n", ""))
    t.wait("(Pdb)")
    t.enter("bw loss", "(grad:bw)")
    t.enter("c", "done.")
    t.enter("c", "after [3.0, 0.0]")
    assert t.code() == 0


# -- pytest ------------------------------------------------------------------------------------

PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


@pytest.fixture
def fails(tmp_path):
    (tmp_path / "test_program.py").write_text(
        "import torch\n"
        "def helper(x):\n    y = x * 2\n    assert y.sum() == 0, 'not zero'\n"
        "def test_fails():\n"
        "    print('printed before')\n"
        "    x = torch.tensor([1.0, 2.0], requires_grad=True)\n    helper(x)\n"
        "def test_stops():\n    x = torch.ones(2)\n    breakpoint()\n"
    )


@pytest.mark.usefixtures("fails")
def test_pytest_opens_where_a_test_fails(start):
    t = start(*PYTEST, "--gradrepl")
    t.wait("(grad:pm)")
    t.enter("print('seen', y.sum().item())", "seen 6.0")
    t.enter("u", "> test_program.py:8  test_fails")
    t.enter("grad x", "no backward has come here")
    t.type("c\r")
    t.wait("test_program.py:11")
    t.enter("x.sum().item()", "2.0")
    t.enter("c", "1 failed, 1 passed")
    assert "printed before" in t.text
    assert t.code() == 1


@pytest.mark.usefixtures("fails")
def test_pytest_with_our_pdb(start):
    t = start(*PYTEST, "--pdb", "--pdbcls=gradrepl.pdb:Pdb", "-k", "fails")
    t.wait("(Pdb)")
    t.enter("fn y", "MulBackward0")
    t.enter("u", "helper(x)")
    t.enter("leaf x", "is a leaf")
    t.enter("c", "1 failed")
    assert t.code() == 1


def test_pytest_in_several_processes_is_refused(env, tmp_path):
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--numprocesses', default=2)\n"
    )
    result = subprocess.run(
        [sys.executable, *PYTEST, "-p", "no:xdist", "--gradrepl"], env=env, cwd=tmp_path, text=True,
        capture_output=True, timeout=100,
    )  # fmt: skip
    assert result.returncode == 4
    assert "--gradrepl needs the tests in one process: add '-n 0'." in result.stderr


def test_pytest_loads_nothing_of_ours_before_it_is_needed(env, tmp_path):
    (tmp_path / "test_modules.py").write_text(
        "import sys\n"
        "def test_modules():\n"
        "    found = {n for n in sys.modules if n.startswith(('torch', 'textual', 'msgspec'))}\n"
        "    assert found == set()\n"
    )
    result = subprocess.run(
        [sys.executable, *PYTEST], env=env, cwd=tmp_path, capture_output=True, timeout=100
    )
    assert result.returncode == 0, result.stdout


RECORDED = """\
import contextlib, pytest, torch
@pytest.fixture(autouse=True)
def seen():
    with {}:
        yield
def test_shapes():
    torch.ones(2, 3) @ torch.ones(2, 3)
def test_good():
    assert 1
"""


@pytest.mark.parametrize("traced", [False, True], ids=["under gradrepl", "traced"])
def test_a_test_that_fails_inside_of_an_op_is_told_as_alone(env, tmp_path, traced):
    code = RECORDED.format("contextlib.nullcontext()")
    words = ["-m", "gradrepl", "--plain", "-c", "b nan", "-c", "c"]
    if traced:
        code = "import gradrepl\n" + RECORDED.format("gradrepl.trace()")
        words = []
    (tmp_path / "test_program.py").write_text(code)
    result = subprocess.run(
        [sys.executable, *words, *PYTEST, "-W", "error"],
        env=env,
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=100,
    )
    assert "INTERNALERROR" not in result.stdout
    assert "E       RuntimeError: mat1 and mat2 shapes cannot be multiplied" in result.stdout
    assert "gradrepl/" not in result.stdout
    assert "1 failed, 1 passed" in result.stdout
    assert result.returncode == 1, result.stderr


# -- IPython -----------------------------------------------------------------------------------


class Shell:
    """As much of IPython's shell as an extension meets."""

    def __init__(self):
        self.user_ns = {"x": torch.tensor([1.0, 2.0], requires_grad=True)}
        self.magics = {}
        self.compile = self

    def register_magic_function(self, func, magic_kind, magic_name):
        self.magics[magic_name] = magic_kind

    def transform_cell(self, cell):
        return cell

    def cache(self, source):
        return "<cell 1>"


def test_ipython_has_our_magics(capsys):
    shell = Shell()
    gradrepl.load_ipython_extension(shell)
    assert shell.magics == {"grad": "line_cell", "gradrepl": "line"}
    magics = Magics(shell)
    magics.grad("x")
    assert "no backward has come here" in capsys.readouterr().out
    (shell.user_ns["x"] * 3).sum().backward()
    magics.grad("x")
    assert "[3, 3]" in capsys.readouterr().out
    magics.gradrepl("mem x")
    assert "8 B" in capsys.readouterr().out
    magics.gradrepl("")
    assert "copies" in capsys.readouterr().out
    magics.gradrepl("frobnicate")
    assert "'frobnicate' cannot be said here." in capsys.readouterr().out


def test_a_cell_is_stepped(start):
    t = start(
        "import sys\nsys.path.insert(0, 'here')\n"
        "from gradrepl.line_commands import Magics\nimport torch\n"
        "class Shell:\n"
        "    user_ns = {'torch': torch}\n"
        "    def transform_cell(self, cell):\n        return cell\n"
        "    def cache(self, source):\n        return '<cell 1>'\n"
        "Shell.compile = Shell()\n"
        "Magics(Shell()).grad('', 'y = torch.ones(2)\\nz = y * 2\\n')\n"
        "print(Shell.user_ns['z'].tolist())\n"
    )
    t.wait("(grad)")
    t.enter("s", "ones")
    t.enter("s", "mul")
    t.enter("c", "[2.0, 2.0]")
    assert t.code() == 0
