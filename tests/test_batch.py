"""Lines from a pipe through the whole program: records, exit codes, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
SECONDS = 60


@pytest.fixture
def shell(tmp_path):
    """Return a function that runs gradrepl; afterwards its temporary folder must be empty."""
    places = {name: tmp_path / name for name in ("tmp", "state", "work")}
    for place in places.values():
        place.mkdir()
    env = {
        **os.environ, "TMPDIR": str(places["tmp"]), "XDG_STATE_HOME": str(places["state"]),
        "PYTHONPATH": str(HOUSE), "COLUMNS": "100",
    }  # fmt: skip

    def run(*args, typed="", **more):
        command = [sys.executable, "-m", "gradrepl", *args]
        return subprocess.run(
            command, input=typed, text=True, capture_output=True, timeout=SECONDS,
            cwd=places["work"], env=env, **more,
        )  # fmt: skip

    run.env, run.work = env, places["work"]
    yield run
    assert list(places["tmp"].iterdir()) == []


@pytest.fixture
def script(shell):
    """Return a function that writes a script and gives its name."""

    def write(text, name="train.py"):
        (shell.work / name).write_text(text)
        return name

    return write


def records(done):
    """Return the JSON records of a run; every line must be one."""
    return [json.loads(line) for line in done.stdout.splitlines()]


TRAIN = """\
import torch
w = torch.tensor([1.0, 2.0], requires_grad=True)
loss = (w * w).sum()
loss.backward()
raise SystemExit(3)
"""


def test_typed_python_and_blocks(shell):
    typed = "x = 20\nx + 1\nfor i in range(2):\n    print(i)\n\n'last'"
    done = shell(typed=typed)
    assert (done.stdout, done.stderr, done.returncode) == ("21\n0\n1\n'last'\n", "", 0)


def test_an_error_makes_the_exit_code_one_and_goes_on(shell):
    done = shell(typed="1/0\nprint('on')\n")
    assert done.stdout.endswith("ZeroDivisionError: division by zero\non\n")
    assert done.returncode == 1


def test_nothing_typed(shell):
    done = shell()
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_closed_stdin_is_an_empty_one(shell):
    command = f"exec {sys.executable} -m gradrepl <&-"
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=shell.env, cwd=shell.work, timeout=SECONDS,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_script_is_stepped_and_gives_its_exit_code(shell, script):
    done = shell("--json", script(TRAIN), typed="s\ns 2\nb leaf w\nc\nc\nc\n")
    told = [
        (r["type"], (r.get("op") or r.get("node") or {}).get("name", r.get("outcome")))
        for r in records(done)
    ]
    assert told == [
        ("Stop", "tensor"), ("Stop", "tensor"), ("Stop", "sum"), ("Breakpoint", None),
        ("Stop", "AccumulateGrad"), ("Pass", "finished"), ("Ended", None), ("Error", None),
    ][: len(told)]  # fmt: skip
    assert done.returncode == 3


def test_json_says_what_the_reference_promises(shell):
    typed = "w = torch.ones(2, requires_grad=True)\n:step y = (w * 2).sum()\ns\nc\n:bw y\nc\n"
    found = records(shell("--json", typed=typed + ":nonsense\n"))
    assert [each["type"] for each in found] == ["Stop", "Stop", "Stop", "Pass", "Error"]
    forward, backward = found[1], found[2]
    assert set(found[3]) >= {"outcome", "nodes_run"}
    assert forward["phase"] == "forward"
    assert set(forward["site"]) == {"file", "line", "function", "text"}
    assert set(forward["op"]) >= {"id", "name", "inputs", "outputs"}
    tensor = forward["op"]["outputs"][0]
    assert set(tensor) >= {
        "shape", "dtype", "device", "requires_grad", "is_leaf", "grad_fn", "version", "stats",
    }  # fmt: skip
    assert set(tensor["stats"]) >= {"norm", "min", "max", "mean", "nans", "infs"}
    assert backward["phase"] == "backward"
    assert set(backward["node"]) >= {"id", "name", "label", "grad_in", "grad_out"}
    error = found[-1]
    assert (error["type"], error["message"]) == ("Error", "there is no command 'nonsense'.")
    assert error["hint"]


def test_numbers_that_are_not_finite_are_strings(shell):
    done = shell("--json", typed=":t torch.tensor([float('nan'), float('inf'), -float('inf')])\n")
    stats = records(done)[0]["stats"]
    assert stats["norm"] in ("nan", "inf")
    assert (stats["nans"], stats["infs"]) == (1, 2)


def test_a_script_loaded_while_torch_is_imported_stops_at_its_first_op(shell, script):
    found = records(shell("--json", typed=f":load {script(TRAIN)}\ns\n"))
    stops = [each for each in found if each["type"] == "Stop"]
    assert [(stop["phase"], stop["op"]["name"]) for stop in stops] == [("forward", "tensor")] * 2


def test_input_takes_the_next_line(shell, script):
    done = shell(script("print('got', input('? '))\n"), typed="the answer\n'typed'\n")
    assert done.stdout.startswith("? got the answer\n")
    assert "'typed'" in done.stdout


def test_typed_input_takes_the_next_line(shell):
    done = shell(typed="input()\nhallo\n1 + 1\n")
    assert done.stdout == "'hallo'\n2\n"


UNFINISHED = """\
import os, sys, torch
w = torch.ones(2, requires_grad=True)
print("a half", end="", flush=True)
print("an error", end="", file=sys.stderr, flush=True)
loss = (w * w).sum()
os.write(1, b"raw")
loss.backward()
print("end", end="")
"""


@pytest.mark.parametrize("both", [False, True], ids=["apart", "one file"])
def test_a_record_is_on_a_line_of_its_own(shell, script, tmp_path, both):
    words = [sys.executable, "-m", "gradrepl", "--json", script(UNFINISHED)]
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        subprocess.run(
            words, input=b"s 2\nb node Mul*\nc\nc\n", cwd=shell.work, env=shell.env,
            stdout=out, stderr=out if both else err, timeout=SECONDS, check=True,
        )  # fmt: skip
    lines = (tmp_path / "out").read_text().splitlines()
    found = [json.loads(line)["type"] for line in lines if '{"' in line]
    assert found[-4:] == ["Breakpoint", "Stop", "Pass", "Ended"]
    printed = [line for line in lines if '{"' not in line]
    assert printed == ["a halfan error" if both else "a half", "raw", "end"]


def test_a_blank_line_ends_an_open_bracket_and_no_text(shell):
    done = shell(typed='x = (1,\n\n\'next\'\ny = """a\n\nb"""\ny\n')
    assert "'(' was never closed" in done.stdout
    assert done.stdout.endswith("'next'\n'a\\n\\nb'\n")


def test_a_refused_command_begins_no_block(shell):
    done = shell(typed="commands one\n'next'\n")
    assert done.stdout.endswith("'next'\n")


@pytest.mark.parametrize(("line", "code"), [("!assert n == 2", 1), ("!assert n == 1", 0)])
def test_typed_python_that_raises_makes_the_exit_code_one(shell, script, line, code):
    name = script("n = 1\nimport torch\ntorch.ones(1)\n")
    assert shell(name, typed=f"{line}\nc\nc\n").returncode == code


def test_first_commands(shell, script):
    done = shell("-c", "p 6 * 7", "-c", "c", script(TRAIN))
    assert "42\n" in done.stdout
    assert done.returncode == 3


def test_everything_after_the_script_is_its_own(shell, script):
    name = script("import sys; print(sys.argv, __name__)")
    done = shell(name, "--json", "-c", "x", typed="c\n")
    assert "['train.py', '--json', '-c', 'x'] __main__\n" in done.stdout


def test_a_module(shell, script):
    script("import sys; print(sys.argv[1:], __name__)", "part.py")
    done = shell("-m", "part", "-x", typed="c\n")
    assert "['-x'] __main__\n" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nope.py"], "there is no script 'nope.py'"),
        (["."], "'.' is a folder"),
        (["bad.py"], "'bad.py' is not Python"),
        (["zero.py"], "'zero.py' is not Python"),
        (["--nonsense"], "there is no option '--nonsense'"),
        (["-m"], "'-m' needs"),
        (["-c"], "'-c' needs"),
    ],
)
def test_usage_errors_are_a_sentence_and_a_hint(shell, script, args, words):
    script("def f(:\n", "bad.py")
    script("x = 1\0\n", "zero.py")
    done = shell(*args)
    lines = done.stderr.splitlines()
    assert lines[0].startswith("gradrepl: " + words)
    assert lines[1].startswith("  ")
    assert (len(lines), done.stdout, done.returncode) == (2, "", 2)


def test_version_and_help(shell):
    assert shell("--version").stdout.startswith("gradrepl 0.")
    assert shell("--help").stdout.startswith("usage: gradrepl")


def test_an_uncaught_exception_is_code_one(shell, script):
    done = shell(script("x = 5\n1/0\n"), typed="p x\n")
    assert "ZeroDivisionError" in done.stderr
    assert "5\n" in done.stdout
    assert done.returncode == 1


def test_a_script_that_leaves_at_once(shell, script):
    done = shell(script("import os; os._exit(7)"), typed="c\n1 + 1\n")
    assert "exited with code 7" in done.stdout
    assert done.returncode == 7


def test_a_script_that_is_killed_kills_us_the_same_way(shell, script):
    done = shell(script("import ctypes; ctypes.string_at(0)"), typed="c\n")
    assert "killed by SIGSEGV" in done.stdout
    assert done.returncode == -signal.SIGSEGV


def test_a_signal_for_us_is_the_scripts(shell, script):
    name = script("import time; print('runs', flush=True); time.sleep(60)")
    command = [sys.executable, "-m", "gradrepl", name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=shell.env, cwd=shell.work
    ) as face:
        face.stdin.write(b"c\n")
        face.stdin.flush()
        while b"runs" not in face.stdout.readline():
            pass
        face.send_signal(signal.SIGTERM)
        assert face.wait(SECONDS) == -signal.SIGTERM


def test_a_signal_while_it_waits_for_lines(shell):
    command = [sys.executable, "-m", "gradrepl"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=shell.env, cwd=shell.work
    ) as face:
        face.stdin.write(b"print('ready', flush=True)\n")
        face.stdin.flush()
        assert face.stdout.readline() == b"ready\n"
        face.send_signal(signal.SIGHUP)
        assert face.wait(SECONDS) == -signal.SIGHUP


def test_a_reader_that_goes_away_is_no_traceback(shell):
    command = f"yes ':help' | head -50 | {sys.executable} -m gradrepl | head -1"
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=shell.env, cwd=shell.work, timeout=SECONDS,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("commands\n", "")


def test_importing_gradrepl_loads_nothing_heavy():
    code = (
        "import sys, gradrepl; gradrepl.Aborted\n"
        "heavy = {'torch', 'textual', 'prompt_toolkit', 'rich', 'asyncio', 'msgspec'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HOUSE)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("words", [["--json"], ["--plain"], ["doctor"]], ids=" ".join)
def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path, words):
    (tmp_path / "u.py").write_text("x = 1\n")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gradrepl", *words, *(["u.py"] if words != ["doctor"] else [])],
            input="1 + 1\nc\n",
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            timeout=100,
        )
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr


def test_what_an_encoding_lacks_is_written_as_an_escape(tmp_path):
    (tmp_path / "u.py").write_text("x = 1\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--plain", "u.py"],
        input="'\u00fc' * 2\n".encode(),
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
        timeout=100,
    )
    assert b"\\xfc\\xfc" in done.stdout
    assert b"Traceback" not in done.stderr


def test_a_working_folder_that_is_gone_is_none(tmp_path):
    (tmp_path / "u.py").write_text("import sys\nx = 1\nprint(sys.path[0], sys.argv)\n")
    words = [sys.executable, "-m", "gradrepl", "--plain", "-c", "b u.py:3", "-c", "c"]
    code = (
        "import os, subprocess, sys, tempfile\n"
        "folder = tempfile.mkdtemp()\nos.chdir(folder)\nos.rmdir(folder)\n"
        "sys.exit(subprocess.call(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words, str(tmp_path / "u.py")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "Traceback" not in done.stderr
    assert f"{tmp_path} ['{tmp_path}/u.py']" in done.stdout
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", ["[tool]\ngradrepl = 5\n", f"a = {'[' * 5000}{']' * 5000}\n"])
def test_settings_that_are_none_are_one_sentence(tmp_path, text):
    folder = tmp_path / "gradrepl"
    folder.mkdir()
    (folder / "config.toml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--plain", "-c", "1 + 1"],
        env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert "Traceback" not in done.stderr
    assert f"gradrepl: {folder / 'config.toml'}" in done.stderr
