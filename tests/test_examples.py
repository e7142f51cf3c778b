"""What each example's 'Try:' says can be typed, and gives what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

TRIES: dict[str, tuple[str, dict[str, Any]]] = {
    "broken_sample": ("c\n:loader check\n:sample 90",
                      {"type": "Sample", "odd": ["part '0' has 64 NaN."]}),
    "chain_rule_paths": ("b 41\nc\n:terms loss\n:addends loss w\n:paths deep a\n:paths L a",
                         {"type": "Paths", "count": 3, "total": 36.0, "grad": 36.0}),
    "custom_function": ("b node PowerBackward\nc\np saved\ns\nb 26",
                        {"type": "Breakpoint", "text": "custom_function.py:26"}),
    "dataset_loader": ("b op mse_loss, epoch == 1\nc\n:t points", {"shape": [20, 1]}),
    "detach_clone": ("b 32\nc\ns\np weight.tolist()", {"text": "[10.0, 2.0, 3.0]"}),
    "digits_cnn": ("b node Convolution*\nc\nuntil leaf conv2.weight", {"type": "Stop"}),
    "gan": ("b leaf critic.0.weight\nc\nw\n:t fake", {"shape": [128, 1]}),
    "leaves": ("b leaf weight\nc\nu", {"type": "Node"}),
    "loader_digits": ("b label 8\nc\n:loader loader\n:batch 7\n:sample 3",
                      {"type": "Sample", "label": "3", "length": 1797}),
    "lstm": ("b op lstm\nc\nwhatis out", {"type": "Value"}),
    "memory_sharing": ("b 39\nc\n:versions weight\ns\n:mem weight hidden", {"kind": "data"}),
    "modules": ("b mod blocks.1.fc2\nc", {"module": "blocks.1.fc2"}),
    "nan_hunt": ("b nan\nc\np step", {"text": "3"}),
    "two_paths": ("b leaf a\nc\ns\n:bw a.sin() * a", {"phase": "backward"}),
    "worker_seeds": (":loader check different", {"type": "LoaderCheck", "findings": []}),
    "write_a_plugin": ("b sparse 0.9\nc\n:t weight\n:rank weight", {"title": "rank 2"}),
    "watch_training": ("c\np step\np seen.rows[0].why\np (step, seen.rows[0].verdict)",
                       {"text": "(12, 'nan')"}),
    "vanishing": ("b node Sigmoid*\nc\nc\np grad_in[0].norm() < 1", {"type": "Value"}),
}  # fmt: skip

OPTIONS = {"write_a_plugin": ("--plugin", str(EXAMPLES / "write_a_plugin.py"))}


def test_every_example_is_tried() -> None:
    assert {file.stem for file in EXAMPLES.glob("*.py")} == set(TRIES)


@pytest.mark.parametrize("name", TRIES)
def test_what_the_docstring_says_can_be_tried(name: str) -> None:
    lines, wanted = TRIES[name]
    script = EXAMPLES / f"{name}.py"
    result = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--json", *OPTIONS.get(name, ()), str(script)],
        input=lines + "\n", capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    records = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    said = [each for each in records if each["type"] not in ("Pass", "Ended")]
    assert [each["message"] for each in records if each["type"] == "Error"] == []
    assert {key: said[-1].get(key) for key in wanted} == wanted


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda file: file.stem)
def test_docstrings_begin_with_one_sentence_and_say_what_to_try(file: Path) -> None:
    found = re.match(r'"""([^\n]+[.!?])\n\nTry:\n((?:    \S.*\n){2,5})"""', file.read_text())
    assert found is not None
