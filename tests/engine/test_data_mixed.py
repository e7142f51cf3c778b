"""Ops on tensors of two devices or dtypes: which argument is the odd one, and where it was made."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from debuggee import Debuggee

from gradrepl import model

MADE = """
import numpy as np
net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
far = nn.Linear(3, 3, device="meta")
conv = nn.Conv2d(1, 1, 2)
here = torch.ones(3, 3)
wide = torch.from_numpy(np.ones((3, 3)))
image = wide[None, None]
whole = torch.ones(3, 3, dtype=torch.int64)
empty = torch.ones(3, 3, device="meta")
"""
WIDE = "'wide' is float64 (assigned in 'wide = torch.from_numpy(np.ones((3, 3)))'), "
CAST = "wide.float() makes it float32. NumPy's default is float64."
EMPTY = "'empty' is on meta (made by ones (<typed N>:10)), "
CASES = {
    "here @ wide": f"{WIDE}'here' is float32. {CAST}",
    "net(wide)": f"{WIDE}'net.0.weight', 'net.0.bias' are float32. {CAST}",
    "torch.bmm(here[None], wide[None])": f"{WIDE}'here' is float32. {CAST}",
    "torch.dot(here[0], wide[0])": f"{WIDE}'here' is float32. {CAST}",
    "torch.einsum('ij,jk->ik', here, wide)": f"{WIDE}'here' is float32. {CAST}",
    "conv(image)": "'image' is float64 (made by __getitem__ (<typed N>:8)), 'conv.weight', "
    "'conv.bias' are float32. image.float() makes it float32. NumPy's default is float64.",
    "here @ whole": "'whole' is int64 (made by ones (<typed N>:9)), 'here' is float32. "
    "whole.float() makes it float32.",
    "here + empty": f"{EMPTY}'here' is on cpu. A meta tensor has a shape and no data: make "
    "'empty' on cpu.",
    "torch.cat([here, empty])": f"{EMPTY}'here' is on cpu. A meta tensor has a shape and no data: "
    "make 'empty' on cpu.",
    "F.mse_loss(here, empty)": f"{EMPTY}'here' is on cpu. A meta tensor has a shape and no data: "
    "make 'empty' on cpu.",
    "far(here)": "'far.weight', 'far.bias' are on meta (assigned in 'far = nn.Linear(3, 3, "
    "device=\"meta\")'), 'here' is on cpu. A meta tensor has a shape and "
    "no data: make 'far.weight' on cpu.",
}


@pytest.mark.parametrize("line", CASES)
def test_the_odd_argument_is_named(d: Debuggee, line: str) -> None:
    d.type(MADE)
    error = d.type(line)
    assert isinstance(error, model.Error), error
    assert re.sub(r"<typed \d+>", "<typed N>", error.hint) == CASES[line]


def test_an_argument_inside_of_torch_is_told_as_such(d: Debuggee) -> None:
    d.type(MADE)
    error = d.type("nn.LSTM(3, 3)(wide)")
    assert error.hint.startswith("'input in torch's check_input' is float64 (made by unsqueeze")
    assert error.hint.endswith(" is float32. Make it float32 before the call.")


def test_a_script_names_the_line(d: Debuggee, script: Callable[..., Path]) -> None:
    path = script("""
        import numpy as np
        import torch

        def load():
            x = torch.from_numpy(np.zeros((2, 3)))
            model = torch.nn.Linear(3, 1)
            return model(x)

        load()
    """)
    d.load(path)
    while d.prompt is not None and d.prompt.state not in ("idle", "exception"):
        d.cont()
    assert d.stops()[-1].notes == (
        "'x' is float64 (assigned in train.py:6), 'weight', 'bias' are float32. x.float() makes "
        "it float32. NumPy's default is float64.",
    )
    d.cont()


def test_what_was_meant_so_gets_no_hint_of_this(d: Debuggee) -> None:
    d.type(MADE)
    error = d.type("here @ torch.ones(4, 4)")
    assert "float32" not in error.hint
    error = d.type("raise RuntimeError('x and y must have the same dtype')")
    assert error.hint == "" or "assigned" not in error.hint
