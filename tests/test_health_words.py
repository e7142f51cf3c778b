"""Watching: how it is written, what is printed, and what a restart watches again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from health_samples import ENC, FINE, HEALTH, NODES, WATCHING

from gradrepl import draw, model, protocol
from gradrepl.commands.talk import SessionState
from gradrepl.commands.training import _watched
from gradrepl.conditions import parse
from gradrepl.draw import Look
from gradrepl.draw.charts import sparkline
from gradrepl.draw.health import LIMITS
from gradrepl.errors import ConditionError, UsageError

Ask = protocol.WatchHealth


def lines(record: Any, **look: bool) -> list[str]:
    return draw.text(record, Look(**look)).splitlines()


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("", Ask()), ("off", Ask(off=True)), ("grads", Ask(grads=True)),
        ("grads every 10", Ask(grads=True, every=10)), ("nodes", Ask(nodes=True)),
        ("nodes stats every 2", Ask(nodes=True, statistics=True, every=2)),
        ("grads nodes", Ask(grads=True, nodes=True)),
    ],
)  # fmt: skip
def test_what_to_watch(text: str, request_: Ask) -> None:
    assert _watched(text) == request_


@pytest.mark.parametrize("text", ["foo", "stats", "every 3", "grads every", "grads every 0",
                                  "grads every x", "grads off"])  # fmt: skip
def test_what_cannot_be_watched(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        _watched(text)
    assert caught.value.hint.startswith("Write: watch grads")


@pytest.mark.parametrize(
    ("text", "word"),
    [("nan", "nan"), ("NaN", "nan"), ("no grad", "no grad"), ("no  Grad", "no grad"),
     ("none", "no grad"), ("bad", "bad"), ("unchanged", "unchanged")],
)  # fmt: skip
def test_verdicts_of_breakpoints(text: str, word: str) -> None:
    assert parse(f"verdict {text}").verdict == word  # type: ignore[union-attr]


def test_a_verdict_that_there_is_not() -> None:
    with pytest.raises(ConditionError, match="'sick' is not a verdict"):
        parse("verdict sick")


def test_the_table() -> None:
    assert lines(HEALTH) == [
        "   parameter     shape       |g|     max|g|  |g|/|w|  update/weight  zero  nan"
        "  last 13 steps  verdict",
        "!  head.weight   (10, 64)    nan     nan     nan      0.0025         0%    640"
        "  ▁▃▆█!          NaN @118",
        "!  enc.weight    (512, 784)  3.1e-9  1e-9    1.9e-10  ~4e-9          2%    0"
        "    █▆▃▁           vanishing",
        f"   dec.weight{' ' * 82}tied to enc.weight",
        "!  enc.bias[/b]  (512,)      None    -       -        -              -     -"
        "    ··             no grad",
        "   mid.weight    (64, 64)    0.022   -       -        -              1%    0"
        "    ▄▁▅            ok",
        "backward 118  total norm 0.041  loss 2.3  clip 1.0 hit 3 of 117"
        "  GradScaler 65536, 2 steps skipped  AdamW lr 0.0003  3 of 4 with a problem",
        "a step takes 100 ms: data 71%, forward and the rest 10%, backward 12%, optimizer 6%,"
        " watching 1%; the optimizer's has its closure's forward in it",
        "loader-bound: 71% of the step is waiting for data.",
    ]


def test_one_parameter_says_which_number_crossed_which_limit() -> None:
    one = msgspec.structs.replace(HEALTH, rows=(ENC,), total=1, points=(), timing=None)
    assert lines(one) == [
        "parameter: enc.weight (512, 784)",
        "also: dec.weight",
        "verdict: ! vanishing since backward 7",
        "why: |g| 3.1e-09 is below health.vanishing 1e-07.",
        "where: Most at #12 SigmoidBackward0 between enc and mid.",
        "gradient: norm 3.1e-9",
        "gradient/weight: 1.9e-10",
        "update/weight: 4e-9 (a sample: 4,100 of 401,408 elements)",
        "range: min -1e-9, max 1e-9",
        "zero: 8028 of 401,408 elements (2%)",
        "statistics: from backward 118",
        "last updated: in backward 118",
        "norms: 0.001  1e-5  1e-7  3.1e-9",
        "elements by log10 |g|",
        f"-11 {'▇' * 54} 9",
        f"-12 {'▇' * 18} 3",
    ]


def test_plain_has_one_fact_a_line() -> None:
    found = lines(HEALTH, plain=True)
    assert found[:2] == [
        "parameter: head.weight (10, 64)", "verdict: ! NaN @118 since backward 118",
    ]  # fmt: skip
    assert sum(line.startswith("parameter: ") for line in found) == 4
    assert not any("▁" in line for line in found)


def test_norms_by_depth_are_drawn() -> None:
    depths = tuple(model.Depth(name=f"l{depth}", norm=10.0**-depth) for depth in range(4))
    rows = (FINE,) * 4
    record = model.Health(watching=WATCHING, rows=rows, total=4, depths=depths)
    assert lines(record)[-8:] == [
        "|g| by depth  from the loss to the input",
        "     1 ┤●",
        "       │",
        "  1e-1 ┤            ●",
        "  1e-2 ┤                        ●",
        "       │",
        "  1e-3 ┤                                    ●",
        "        loss side                  input side",
    ]


@pytest.mark.parametrize(
    ("history", "curve"),
    [
        ((), ""), ((1.0,), "▅"), ((1.0, 1.0), "▅▅"), ((1e-4, 1e-2, 1.0), "▁▅█"),
        ((1.0, None, float("nan"), float("inf"), 0.0), "▅·!!▁"), ((1.0,) * 20, "▅" * 12),
    ],
)  # fmt: skip
def test_sparklines(history: tuple[float | None, ...], curve: str) -> None:
    assert sparkline(history, 12) == curve


def test_nodes() -> None:
    assert lines(NODES) == [
        "first not finite: what arrives at #2 AccumulateGrad head.bias",
        "       node                       |g|  min  max  verdict",
        "   #1  DivBackward0               1    1    1    ok",
        "!  #2  AccumulateGrad  head.bias  inf  0    inf  inf 4 Inf",
        "1-2 of 9 nodes",
        "backward 118",
    ]


def test_every_limit_is_explained() -> None:
    assert tuple(LIMITS) == model.HealthLimits.__struct_fields__
    assert len(lines(model.HealthLimits())) == len(LIMITS)


def test_a_restart_watches_again() -> None:
    memory = SessionState()
    memory.note(model.Watching(grads=True, nodes=True, every=5))
    memory.note(model.HealthLimits(dead=0.9))
    assert list(memory.requests()) == [
        protocol.SetHealth(name="dead", value=0.9),
        protocol.WatchHealth(grads=True, nodes=True, every=5),
    ]
    memory.note(model.Watching(breakpoints=True))
    assert list(memory.requests()) == [protocol.SetHealth(name="dead", value=0.9)]


SCRIPT = """\
import os
os.environ["OMP_NUM_THREADS"] = "1"
import torch
w = torch.ones(3, requires_grad=True)
for i in range(4):
    (w * (float("nan") if i == 2 else 1.0)).sum().backward()
    w.grad = None
"""
WORDS = """\
:watch grads
b verdict nan
c
:health w
:health nodes
:set health.exploding 5
:set foo 3
c
"""


def test_a_batch(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--json", "train.py"], cwd=tmp_path, input=WORDS,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()]
    stop = next(each for each in found if each["type"] == "Stop" and each["phase"] == "backward")
    assert stop["reason"] == "breakpoint 1: verdict nan: w NaN @3"
    assert stop["site"]["line"] == 6
    health = next(each for each in found if each["type"] == "Health")
    (row,) = health["rows"]
    assert (row["name"], row["verdict"], row["norm"], row["nans"]) == ("w", "nan", "nan", 3)
    assert [point["loss"] for point in health["points"]] == [3.0, 3.0, "nan"]
    limits = next(each for each in found if each["type"] == "HealthLimits")
    assert limits["exploding"] == 5
    errors = [each["message"] for each in found if each["type"] == "Error"]
    assert errors == ["no nodes have been watched.", "there is no setting 'foo'."]


def test_watching_brings_in_no_torch_before_the_script_does(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import sys\nprint('torch' in sys.modules)\nimport torch\n")
    words = ":watch grads\n:set health.dead 0.9\n:restart\n"
    done = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--plain", "--repl", "train.py"], cwd=tmp_path,
        input=words, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines().count("False") == 2, done.stdout
    assert "True" not in done.stdout.splitlines()
