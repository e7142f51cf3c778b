"""What programs that know nothing of us were asked while they were debugged, and had no answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from debuggee import Debuggee

from gradrepl import model, protocol
from gradrepl.engine import hints

LOST = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        for name in "stem gate never aux table data".split():
            setattr(self, name, nn.Linear(4, 4))
    def forward(self, x):
        h = self.stem(x)
        choice = self.gate(h).softmax(-1).argmax(-1)
        out = torch.zeros_like(h)
        out[choice == 1] = self.table(h[choice == 1])
        std = (0.5 * self.data(h).data).exp()
        return h + out * std, self.aux(h).squeeze(-1)
net = Net()
for i in range(2):
    y, aux = net(torch.randn(5, 4))
    y.sum().backward()
    for p in net.parameters(): p.grad = None
"""


@pytest.fixture
def lost(d: Debuggee) -> Debuggee:
    """Stand at the end of a backward that did not come to several parameters."""
    d.break_at("none")
    d.type(LOST)
    return d


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gate.weight", "what was made of it was cut off by argmax (:8), which makes int64."),
        ("data.bias", "what was made of it was cut off by data (:11)."),
        ("never.weight", "no recorded op used it."),
        ("aux.weight", "no recorded op used what squeeze (:12) made of it."),
    ],
)  # fmt: skip
def test_what_became_of_a_parameter_without_a_gradient_is_told(
    lost: Debuggee, name: str, why: str
) -> None:
    said = lost.look(protocol.Gradient(expression=f"net.{name}")).message
    assert re.sub("<typed [0-9]+>", "", said.partition("lead to it: ")[2]) == why
    assert lost.value(f"net.{name}.grad") == "None"
    assert lost.value("net.table.weight.grad is None") == "False"  # written into 'out' in place
    lost.cont()


def test_a_stop_for_missing_gradients_says_why_of_each(lost: Debuggee) -> None:
    stop = lost.stops()[-1]
    assert isinstance(stop, model.Stop)
    assert "gate.weight, gate.bias: what was made of it was cut off by argmax" in stop.reason
    assert "never.weight, never.bias: no recorded op used it" in stop.reason
    lost.cont()
    assert "cut off by argmax" in lost.stops()[-1].reason  # the second time round, too
    lost.cont()


OVERWRITTEN = """\
import torch

layer = torch.nn.Linear(3, 3)

def actor(x):
    probs = torch.softmax(layer(x), -1)
    probs += 0.01
    return probs

x = torch.ones(2, 3)
KEPT = actor(x)
KEPT.sum().backward()
"""


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("recorded", [True, False])
def test_an_exception_of_a_script_comes_with_what_is_known_of_it(
    script: Callable[..., Path], d: Debuggee, kept: bool, recorded: bool
) -> None:
    gone = OVERWRITTEN.replace("KEPT = actor(x)\n", "").replace("KEPT", "actor(x)")
    if recorded:
        d.break_at("nan")
    d.load(script(OVERWRITTEN if kept else gone))
    *_, stop, notice = d.cont()
    assert stop.phase == "exception"
    assert ("SoftmaxBackward0" in notice.message) is kept
    assert ("add_ (train.py:7)" in notice.message) is recorded
    assert (hints.UNRECORDED in notice.message) is not recorded
    d.cont()
