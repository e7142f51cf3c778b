"""The version timeline: who wrote, who saved, and what no counter saw."""

from __future__ import annotations

from typing import Any

import pytest
from debuggee import Debuggee

from gradrepl import model
from gradrepl import protocol as p


def versions(d: Debuggee, name: str = "w") -> model.Versions:
    found = d.look(p.AskVersions(expression=name))
    assert isinstance(found, model.Versions), found
    return found


def told(record: model.Versions) -> list[tuple[Any, ...]]:
    return [(m.kind, m.what, m.through, m.before, m.after, m.seen) for m in record.moments]


def test_who_wrote_and_who_saved_in_order(d: Debuggee) -> None:
    d.type("""
w = torch.ones(4, 3, requires_grad=True)
wd = w.detach()
with torch.no_grad():
    w.add_(1)
y = w ** 2
wd[0].zero_()
w.data.mul_(2)
z = w.exp()
with torch.no_grad():
    w[1] = 5
""")
    record = versions(d)
    assert told(record) == [
        ("write", "add_", "w", 0, 1, True),
        ("save", "PowBackward0.self", "w", 1, 1, True),
        ("write", "zero_", "its detach()", 1, 2, True),
        ("write", "mul_", "its .data", 0, 1, False),
        ("write", "__setitem__", "w", 2, 3, True),
    ]
    assert d.value("w._version") == "3" == str(record.version)
    assert [m.site.line for m in record.moments if m.site] == [5, 6, 7, 8, 11]
    assert [m.stale for m in record.moments] == [False, True, False, False, False]
    (stale,) = record.stale
    assert (stale.saved_version, stale.version, stale.silent) == (1, 3, False)
    assert "zero_" in stale.written_by
    assert stale.sentence.endswith("backward through PowBackward0 will raise.")
    assert "expected version 1" in d.type("y.sum().backward()").message


def test_what_the_recorder_has_not_seen_is_said(d: Debuggee) -> None:
    d.type("""
net = nn.Linear(2, 2, bias=False)
opt = torch.optim.SGD(net.parameters(), lr=1.0)
net(torch.ones(1, 2)).sum().backward()
opt.step()
""")
    assert told(versions(d, "net.weight")) == [
        ("write", "kaiming_uniform_", "weight", 0, 1, True),
        ("unrecorded", "", "", 1, 2, True),
    ]


@pytest.mark.parametrize(
    ("write", "by"),
    [("w.data[0] = 7", "__setitem__"), ("w.data.add_(1)", "add_"), ("side[0] = 7", "__setitem__")],
)
def test_a_recorded_write_through_data_makes_a_saved_value_silently_wrong(
    d: Debuggee, write: str, by: str
) -> None:
    d.type(f"w = torch.ones(3, requires_grad=True)\nside = w.data\ny = (w * w).sum()\n{write}")
    (stale,) = versions(d).stale
    assert (stale.silent, stale.name, by in stale.written_by) == (True, "w", True)
    assert stale.sentence.endswith("its gradient will be wrong, and nothing will say so.")
    d.type("y.backward()")
    assert d.value("w.grad.tolist() != [2.0, 2.0, 2.0]") == "True"


def test_a_write_before_the_save_is_no_fault(d: Debuggee) -> None:
    d.type("w = torch.ones(3, requires_grad=True)\nside = w.data")
    d.type("w.data.add_(1)\nside.add_(1)\ny = (w * w).sum()")
    record = versions(d)
    assert [m.kind for m in record.moments] == ["write", "write", "save"]
    assert record.stale == ()


def test_a_write_elsewhere_in_the_storage_is_no_fault(d: Debuggee) -> None:
    d.type("b = torch.ones(8)\nw = b[:4].detach().requires_grad_()\ny = (w * w).sum()")
    d.type("b.data[4:].add_(1)")
    assert versions(d).stale == ()


def test_numpy_writes_are_found_from_the_first_look_on(d: Debuggee) -> None:
    d.type("w = torch.ones(3, requires_grad=True)\na = w.detach().numpy()\ny = (w * w).sum()")
    first = versions(d)
    assert (first.content, first.began, first.stale) == ("every byte", True, ())
    assert told(first) == [("save", "MulBackward0.other", "w", 0, 0, True)] or (
        told(first) == [("save", "MulBackward0.self", "w", 0, 0, True)]
    )
    d.type("a[1] = 5")
    second = versions(d)
    assert told(second)[-1] == ("content", "", "", 0, 0, False)
    (stale,) = second.stale
    assert (stale.silent, stale.written_by) == (True, "")
    assert "by a write that was not recorded" in stale.sentence
    assert not second.began
    assert [m.kind for m in versions(d).moments].count("content") == 1


def test_what_was_saved_after_the_change_is_not_blamed(d: Debuggee) -> None:
    d.type("w = torch.ones(3, requires_grad=True)\na = w.detach().numpy()")
    versions(d)
    d.type("a[1] = 5")
    versions(d)
    d.type("y = (w * w).sum()")
    assert versions(d).stale == ()


def test_a_stop_tells_what_is_new(d: Debuggee) -> None:
    d.type("w = torch.ones(3, requires_grad=True)\na = w.detach().numpy()\ny = w.exp() * w")
    versions(d)
    d.type("t = torch.zeros(1)\na[0] = 9\nt.add_(1)\nt.add_(1)\n"
           "with torch.no_grad(): w.mul_(2)\nt.add_(1)\nt.add_(1)", stepped=True)  # fmt: skip
    stops = d.step_through()
    news = [(stop.op.name, watch) for stop in stops for watch in stop.watches]
    assert [(op, watch.expression, watch.was) for op, watch in news] == [
        ("add_", "memory of w", "version 0"), ("mul_", "memory of w", "version 0"),
    ]  # fmt: skip
    first, second = (watch.text for _, watch in news)
    assert first.startswith("version 0 still, but its bytes changed unseen by the counter; ")
    assert "its gradient will be wrong, and nothing will say so" in first
    assert second.startswith("version 1; ")
    assert "will raise" in second


def test_a_backward_stop_tells_it_too(d: Debuggee) -> None:
    d.type("w = torch.ones(3, requires_grad=True)\na = w.detach().numpy()\ny = (w * w).sum()")
    versions(d)
    d.type("a[0] = 3")
    stop = d.backward("y")
    assert [watch.expression for watch in stop.watches] == ["memory of w"]
    assert d.step().watches == ()
    d.cont()


def test_watching_ends_when_asked_or_when_the_storage_is_gone(d: Debuggee) -> None:
    d.type("w, v = torch.ones(3), torch.ones(3)")
    versions(d, "w")
    versions(d, "v")
    assert [row.name for row in d.look(p.AskVersions()).rows] == ["w", "v"]
    assert [r.name for r in d.look(p.AskVersions(expression="v", off=True)).rows] == ["w"]
    d.type("del w")
    assert d.look(p.AskVersions()).rows == ()
    versions(d, "v")
    assert d.look(p.AskVersions(off=True)).rows == ()


def test_a_large_storage_is_sampled_and_says_so(d: Debuggee) -> None:
    d.type("w = torch.zeros(1 << 20)\na = w.numpy()")
    assert versions(d).content.startswith("a sample of 262144 of 4194304 bytes")
    for place in ("0", "-1", "slice(None)"):
        d.type(f"a[{place}] += 1")
        assert told(versions(d))[-1][0] == "content"
    d.type("m = torch.zeros(3, device='meta')")
    assert versions(d, "m").content == "not at all: bytes on 'meta' cannot be read"


def test_every_byte_up_to_a_mebibyte(d: Debuggee) -> None:
    d.type("w = torch.zeros(1 << 18)\na = w.numpy()")
    assert versions(d).content == "every byte"
    d.type("a[123457] = 1e-30")
    assert told(versions(d))[-1][0] == "content"


def test_an_error_names_who_overwrote(d: Debuggee) -> None:
    d.type("""
x = torch.ones(3, requires_grad=True)
e = x.exp()
alias = e.detach()
alias.mul_(2)
y = e.sum()
""")
    error = d.type("y.backward()")
    assert error.hint.startswith("ExpBackward0 (<typed ")
    assert ":3) saved e at version 0, it is now at 1, written by mul_ (<typed " in error.hint
    assert ":5) through alias. " in error.hint


def test_an_optimizers_step_between_forward_and_backward(d: Debuggee) -> None:
    d.type("""
net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
opt = torch.optim.SGD(net.parameters(), lr=1.0)
loss = net(torch.ones(1, 2)).sum()
loss.backward(retain_graph=True)
opt.step()
""")
    error = d.type("loss.backward()")
    assert "saved 1.weight at version" in error.hint
    assert "written by what was not recorded: opt.step() since that forward?" in error.hint


def test_mem_tells_what_is_stale(d: Debuggee) -> None:
    d.type("w = torch.ones(3, requires_grad=True)\ny = (w * w).sum()\nq = torch.ones(2)")
    assert d.look(p.AskStorages()).stale == ()
    d.type("with torch.no_grad(): w.add_(1)")
    assert [s.name for s in d.look(p.AskStorages()).stale] == ["w"]
    assert d.look(p.AskStorages(expressions=("q",))).stale == ()


def test_swapping_tensors_works_as_without_us(d: Debuggee) -> None:
    """Torch refuses to swap what somebody refers to weakly."""
    d.type("a, b = torch.zeros(2), torch.ones(2)\na.add_(5)")
    versions(d, "a")
    assert d.type("torch.utils.swap_tensors(a, b)\na.tolist()").text == "[1.0, 1.0]"


def test_what_the_users_classes_raise_does_not_reach_the_program(d: Debuggee) -> None:
    d.type("""
class Odd(torch.optim.SGD):
    @property
    def param_groups(self):
        raise ValueError("not today")
    @param_groups.setter
    def param_groups(self, value):
        pass
w = torch.zeros(3)
""")
    versions(d)
    d.type("odd = Odd.__new__(Odd)")
    stop = d.type("x = torch.ones(2)", stepped=True)
    assert [watch.text for watch in stop.watches] == ["** ValueError: not today **"]
    d.cont()
    assert d.value("x") == "tensor([1., 1.])"
