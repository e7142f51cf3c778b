"""``gradrepl.watch(model)``: it tells the truth of one model, changes nothing, and goes whole."""

from __future__ import annotations

import bdb
import gc
import io
import subprocess
import sys
from contextlib import ExitStack, contextmanager, nullcontext
from html.parser import HTMLParser

import pytest
import torch
from fake_kernel import Kernel
from rich.console import Console
from torch import nn
from trainings import TRAININGS, run

import gradrepl
from gradrepl.errors import ConditionError, UsageError

pytestmark = pytest.mark.usefixtures("nothing_stays")


@pytest.fixture
def kernel(monkeypatch):
    """Return a kernel that answers; everything must have been asked for in the end."""
    found = Kernel(monkeypatch)
    yield found
    assert found.lines == []


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 4)
        self.fc2 = nn.Linear(4, 2)
        for each in self.parameters():
            nn.init.constant_(each, 0.1)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())


def step(model, x=None):
    loss = model(torch.ones(2, 3) if x is None else x).square().mean()
    loss.backward()
    return loss


BAD = torch.full((2, 3), float("nan"))


@contextmanager
def each_watched(models, **wishes):
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(gradrepl.watch(model, **wishes))
        yield


LOOKS = {
    "watch": lambda models: each_watched(models),
    "every": lambda models: each_watched(models, every=2),
    "stop": lambda models: each_watched(models, stop="norm > 1e30"),
    "verdict": lambda models: each_watched(models, stop="verdict exploding"),
    "trace": lambda models: gradrepl.trace(),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_is_the_same_to_the_bit(name, capfd):
    bare = run(name, lambda models: nullcontext())
    assert run(name, lambda models: nullcontext()) == bare
    torch.manual_seed(8)
    assert {look: run(name, LOOKS[look]) for look in LOOKS} == dict.fromkeys(LOOKS, bare)
    assert capfd.readouterr() == ("", "")


def test_parameters_have_the_models_names_and_their_true_norms():
    model, other = Net(), Net()
    with gradrepl.watch(model) as w:
        step(other)
        step(model)
        rows = {row.name: row for row in w.rows}
    assert list(rows) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    for name, parameter in model.named_parameters():
        assert rows[name].norm == torch.linalg.vector_norm(parameter.grad).item()
        assert rows[name].shape == tuple(parameter.shape)
    assert w.health().backwards == 2
    assert [point.backward for point in w.health().points] == [2]


def test_what_was_seen_stays_after_the_end_and_nothing_is_added():
    model = Net()
    w = gradrepl.watch(model)
    step(model)
    w.close()
    seen = w.health()
    step(model, BAD)
    w.close()
    assert w.health() is seen
    assert repr(w) == "<gradrepl.watch (closed): 4 parameters, 1 backwards, 0 with a problem>"


def test_only_every_so_many_backwards_are_looked_at():
    model = Net()
    with gradrepl.watch(model, every=3) as w:
        for _ in range(7):
            step(model)
        assert (w.health().backwards, [p.backward for p in w.health().points]) == (7, [3, 6])


def test_tied_and_frozen_parameters_are_told_as_the_model_has_them():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model[2].requires_grad_(False)
    with gradrepl.watch(model) as w:
        step(model)
        rows = {row.name: row for row in w.rows}
    assert rows["0.weight"].also == ("1.weight",)
    assert [rows[name].verdict for name in ("0.weight", "2.weight")] == ["ok", "frozen"]


def test_two_models_of_one_training_are_kept_apart():
    maker, critic = Net(), nn.Linear(2, 1)
    ours = torch.optim.AdamW(maker.parameters(), lr=0.5)
    theirs = torch.optim.SGD(critic.parameters(), lr=0.1)
    with gradrepl.watch(maker) as w, gradrepl.watch(critic) as v:
        for turn in range(24):
            fake = maker(torch.randn(4, 3))
            if turn % 12:
                critic(fake.detach()).mean().backward()
                theirs.step()
            else:
                critic(fake).mean().backward()
                ours.step()
        assert w.health().optimizers == ("AdamW lr 0.5",)
        assert v.health().optimizers == ("SGD lr 0.1",)
        assert (w.health().steps, v.health().steps) == (2, 22)
        assert {row.verdict for row in w.rows} == {"ok"}


def test_watches_end_in_any_order():
    one, two = Net(), Net()
    w, v = gradrepl.watch(one), gradrepl.watch(two)
    step(one)
    w.close()
    step(two)
    assert (w.health().backwards, v.health().backwards) == (1, 2)
    v.close()


def test_a_model_that_has_gone_is_no_longer_there():
    w = gradrepl.watch(Net())
    gc.collect()
    step(Net())
    assert (w.rows, repr(w)[:34]) == ((), "<gradrepl.watch: 0 parameters, 1 b")
    w.close()


def test_a_model_is_not_kept_alive():
    import weakref

    model = Net()
    weight = weakref.ref(model.fc1.weight)
    w = gradrepl.watch(model)
    step(model)
    w.health()
    del model
    gc.collect()
    assert weight() is None
    w.close()


STOPS = {
    "nan": ("log  (2, 3) f32  nan 6 !", "(grad) "),
    "verdict nan": ("verdict nan: fc1.weight NaN @4", "(grad:bw) "),
    "verdict bad": ("verdict bad: fc1.weight NaN @4", "(grad:bw) "),
    "norm > 1e3": ("AddmmBackward0", "(grad:bw) "),
    "leaf fc1.weight, turn == 2": ("AccumulateGrad model.fc1.weight", "(grad:bw) "),
    "none": ("extra", "(grad:bw) "),
}


@pytest.mark.parametrize("stop", STOPS)
def test_it_stops_where_it_was_told_to(kernel, capsys, stop):
    told, prompt = STOPS[stop]
    model, other = Net(), Net()
    kernel.will("turn", "cl", ":c")
    with gradrepl.watch(model, stop=stop) as w:
        for turn in range(1, 4):
            step(other)
            x = torch.full((2, 3), 1e9 if stop == "norm > 1e3" and turn == 2 else 1.0)
            if stop == "none" and turn == 2:
                model.extra = nn.Parameter(torch.ones(1))
            elif turn == 2:
                x = x if stop == "norm > 1e3" else (-x).log()
            nn.functional.mse_loss(model(x), torch.zeros(2, 2)).backward()
    out = capsys.readouterr().out
    assert kernel.asked == [prompt] * 3
    assert told in out
    assert "2" in out.splitlines()
    assert w.health().backwards == 6


def test_a_verdict_on_another_model_is_none_of_its_business(kernel):
    one, two = Net(), Net()
    kernel.will("c")
    with gradrepl.watch(one, stop="verdict nan"), gradrepl.watch(two):
        step(two, BAD)
        assert kernel.asked == []
        step(one, BAD)
        assert kernel.asked == ["(grad:bw) "]


def test_q_leaves_the_training_and_the_watch():
    with pytest.MonkeyPatch.context() as patch:
        Kernel(patch).will("q")
        model = Net()
        with pytest.raises(bdb.BdbQuit), gradrepl.watch(model, stop="norm > 0") as w:
            step(model)
    assert repr(w).startswith("<gradrepl.watch (closed)")


def test_without_a_terminal_it_says_so_and_goes_on(capfd):
    model = Net()
    with gradrepl.watch(model, stop="nan") as w:
        step(model, BAD)
        step(model)
    said = "gradrepl: breakpoint skipped: no terminal (GRADREPL_NO_TTY=continue).\n"
    assert capfd.readouterr() == ("", said)
    assert w.health().backwards == 2


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: gradrepl.watch([nn.Linear(1, 1)]),
            UsageError,
            "torch.nn.Module, not list",
        ),
        (lambda: gradrepl.watch(nn.Linear(1, 1), every=0), UsageError, "every=0 makes no sense"),
        (lambda: gradrepl.watch(nn.Linear(1, 1), "norm >"), ConditionError, "norm"),
        (lambda: gradrepl.watch(nn.Linear(1, 1), "99999"), ConditionError, "no line 99999"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, words):
    with pytest.raises(error, match=words.replace(".", r"\.")):
        call()


class Balanced(HTMLParser):
    """Checks that what is opened is closed, and that nothing is fetched or run."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "link", "img", "iframe", "br/")
        assert not {"src", "href", "onclick"} & dict(attrs).keys()
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(html):
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    assert "http" not in html
    return html


def test_it_shows_itself_and_takes_names_as_they_are():
    model = nn.Sequential()
    model.add_module("[red]<b>&", nn.Linear(3, 2))
    with gradrepl.watch(model) as w:
        step(model, BAD)
    html = checked(w._repr_html_())
    assert "<td>[red]&lt;b&gt;&amp;.weight</td>" in html
    assert html.count('<tr class="bad">') == 2
    assert html.count("<table>") == 1
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(w)
    assert "!  [red]<b>&.weight" in console.export_text()
    assert repr(w) == (
        "<gradrepl.watch (closed): 2 parameters, 1 backwards, 2 with a problem; "
        "[red]<b>&.weight NaN @1, [red]<b>&.bias NaN @1>"
    )


def test_it_shows_itself_before_anything_ran():
    with gradrepl.watch(Net()) as w:
        checked(w._repr_html_())


FORKS = """
import os, sys, torch, gradrepl
from torch import nn
model = nn.Linear(2, 2)
with gradrepl.watch(model) as w, gradrepl.trace() as t:
    model(torch.ones(1, 2)).sum().backward()
    child = os.fork()
    model(torch.ones(1, 2)).sum().backward()
    engine = torch.autograd._engine_run_backward
    if not child:
        left = engine.__code__.co_filename[-8:], w.health().backwards, len(t.passes)
        os.write(1, (repr(left) + "\\n").encode())
        os._exit(0)
    os.waitpid(child, 0)
print(w.health().backwards, len(t.passes))
"""


def test_a_forked_child_has_nothing_of_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == ("('graph.py', 1, 1)\n2 2\n", "")
