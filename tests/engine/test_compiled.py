"""What torch.compile has compiled: opaque and said to be so, or run eagerly with ``--eager``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gradrepl import model
from gradrepl.launch import Options

COMPILED = """\
import torch
from torch import nn
torch.manual_seed(3)

@torch.compile(backend="eager")
def twice(x):
    return (x * 2).sin()

class Whole(nn.Module):
    def forward(self, x):
        return x.cos()

whole = torch.compile(Whole(), backend="eager", fullgraph=True)
layer = nn.Linear(3, 3)
layer.compile(backend="eager")
optimizer = torch.optim.AdamW(layer.parameters())
for _ in range(2):
    y = whole(twice(layer(torch.randn(2, 3))))
    optimizer.zero_grad()
    y.sum().backward()
    optimizer.step()
print(type(whole).__name__, y.sum().item(), layer.weight.grad.norm().item())
print(layer.weight.tolist(), torch.get_rng_state().sum().item())
"""
FIRST = "y = whole(twice(layer("


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(COMPILED.splitlines(), 1) if text in line)


def said(records):
    return [each.message for each in records if "torch.compile" in getattr(each, "message", "")]


def test_a_compiled_region_is_said_to_be_opaque_once_with_its_line(d, script):
    d.load(script(COMPILED))
    stops = d.step_through()
    (text,) = said(d.told)
    assert text.startswith(f"train.py:{line_of(FIRST)}: torch.compile has compiled what runs here")
    assert "'gradrepl --eager train.py' runs it op by op." in text
    before = {stop.op.name for stop in stops if stop.op is not None}
    assert "randn" in before
    assert not before & {"sin", "cos", "linear"}


def test_it_is_said_before_the_next_stop(d, script):
    d.load(script(COMPILED))
    d.break_at("op sum")
    told = d.cont()
    assert [type(each) for each in told] == [model.Notice, model.Stop]


def test_torchs_own_switch_leaves_nothing_opaque(d):
    d.type("import torch._dynamo; torch._dynamo.config.disable = True")
    try:
        d.type("f = torch.compile(lambda x: x.sin(), backend='eager')\nx = torch.ones(1)")
        assert [stop.op.name for stop in d.walk("f(x)") if stop.op] == ["sin", "sin"]
        assert said(d.told) == []
    finally:
        d.type("torch._dynamo.config.disable = False; torch._dynamo.reset()")


def batch(lines, *words):
    result = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--json", *words],
        input=lines, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    found = result.stdout.splitlines()
    return (
        [json.loads(line) for line in found if line.startswith('{"type"')],
        [line for line in found if not line.startswith('{"type"')],
    )


def test_eager_steps_what_is_compiled_and_is_the_same_as_torchs_own_switch(script, tmp_path):
    path = script(COMPILED)
    bare = "import runpy, sys, torch\ntorch.compiler.set_stance('force_eager')\n"
    alone = subprocess.run(
        [sys.executable, "-c", bare + f"runpy.run_path({str(path)!r}, run_name='__main__')"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    records, printed = batch("b op sin or op cos or op linear\n" + "c\n" * 7, "--eager", str(path))
    assert [each["op"]["name"] for each in records if each["type"] == "Stop"][1:] == [
        "linear", "sin", "cos", "linear", "sin", "cos",
    ]  # fmt: skip
    assert [each for each in records if "torch.compile" in each.get("message", "")] == []
    assert printed == alone.stdout.splitlines()
    assert printed[0].startswith("OptimizedModule ")


def test_a_program_that_runs_cannot_be_made_eager(capsys):
    from gradrepl.cli import main

    assert main(["attach", "--eager", "rank0"]) == 2
    assert "'gradrepl attach' does not take '--eager'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--eager", "x.py"], ["--eager", "-m", "x"]])
def test_the_option_is_of_the_command_line_alone(words):
    from gradrepl.cli import options, read

    assert options(read(words)[1]).eager
    assert not options(read(words[1:])[1]).eager
    assert not Options().eager


def test_it_listens_eagerly_too(monkeypatch):
    from gradrepl import launch

    started = []
    monkeypatch.setattr(launch.os, "execve", lambda *words: started.append(words))
    launch.exec_listening(Options(target="x.py", listens=True, eager=True))
    assert json.loads(started[0][2]["GRADREPL_LISTEN"])["eager"]


def test_a_trace_counts_what_it_could_not_see():
    import torch

    import gradrepl

    compiled = torch.compile(lambda x: x.sin(), backend="eager")
    compiled(torch.ones(1))
    with gradrepl.trace() as t:
        compiled(torch.ones(1))
        torch.ones(2)
    assert [op.name for op in t.ops] == ["ones", "ones"]
    assert "1 compiled region ran unseen" in repr(t)
    torch._dynamo.reset()
