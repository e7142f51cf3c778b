"""Everything about one tensor, compared with torch itself."""

from __future__ import annotations

import asyncio
import math
import random
from pathlib import Path

import pytest
import torch
from debuggee import Debuggee

from gradrepl import model, protocol
from gradrepl.commands.registry import find
from gradrepl.commands.table import COMMANDS  # noqa: F401  (fills the table)
from gradrepl.engine.tensor.figures import BINS, LOOKED_AT, histogram, stats


def facts(d: Debuggee, expression: str) -> model.Tensor:
    found = d.look(protocol.Describe(expression=expression))
    assert isinstance(found, model.Tensor), found
    return found


def said(d: Debuggee, request: protocol.Request) -> str:
    found = d.look(request)
    assert isinstance(found, (model.Notice, model.Error)), found
    return found.message


def word(d: Debuggee, word: str, expression: str) -> model.Record:
    """Return what the command of this word answers."""

    class Asks:
        async def ask(self, request: protocol.Request) -> model.Record | None:
            return d.look(request)

    command, rest = find(word, expression)
    return asyncio.run(command.function(Asks(), *command.parse(rest)))


def why(d: Debuggee, expression: str) -> str:
    found = word(d, "leaf", expression)
    assert isinstance(found, (model.Notice, model.Error)), found
    return found.message


WHYS = {
    "x = torch.ones(3)": (
        "a leaf: made by the user with ones (train.py:{line}), without requires_grad=True."
    ),
    "x = torch.ones(3, requires_grad=True)": (
        "a leaf: made by the user with ones (train.py:{line}), with requires_grad set."
    ),
    "x = torch.nn.Parameter(torch.ones(3))": (
        "a leaf: a Parameter, which the user or a module made."
    ),
    "x = w * 2": (
        "not a leaf: mul (train.py:{line}) computed it of tensors that require a gradient."
    ),
    "x = w.detach()": (
        "a leaf: detach (train.py:{line}) cut it off from what requires a gradient."
    ),
    "x = w.data": "a leaf: data (train.py:{line}) cut it off from what requires a gradient.",
    "with torch.no_grad(): x = w * 2": (
        "a leaf: mul under no_grad (train.py:{line}) cut it off from what requires a gradient."
    ),
    "with torch.inference_mode(): x = w * 2": (
        "a leaf: an inference tensor, made under inference_mode; "
        "mul under inference_mode (train.py:{line}) made it."
    ),
    "x = w.argmax()": (
        "a leaf: its dtype int64 can have no gradient; argmax (train.py:{line}) made it."
    ),
    "x = torch.arange(3)": (
        "a leaf: its dtype int64 can have no gradient; arange (train.py:{line}) made it."
    ),
    "x = w.detach().requires_grad_()": (
        "a leaf: detach (train.py:{line}) cut it off, then requires_grad was set."
    ),
    "x = w.detach() + 1": (
        "a leaf: add (train.py:{line}) made it of what detach (train.py:{line}) had cut off."
    ),
    "x = plain + 1": (
        "a leaf: add (train.py:{line}) made it of tensors none of which requires a gradient."
    ),
    "with torch.no_grad(): x = w[1:]": (
        "a leaf of its own: a view made under no_grad (__getitem__ under no_grad "
        "(train.py:{line})); no gradient goes on from it to the tensor it is a view of."
    ),
    "x = torch.zeros(3); x += w": (
        "not a leaf: zeros (train.py:{line}) made it, and add_ (train.py:{line}) gave it its "
        "grad_fn, of tensors that require a gradient."
    ),
}


def test_why_it_is_a_leaf(d: Debuggee, script: object) -> None:
    lines = ["import torch", "w = torch.rand(3, requires_grad=True); plain = torch.rand(3)"]
    for number, statement in enumerate(WHYS):
        if ": x" in statement:
            lines += statement.replace("x =", f"x{number} =").replace(": ", ":\n    ").split("\n")
        else:
            lines.append(statement.replace("x ", f"x{number} "))
    lines.append("end = torch.full((1,), 2.0)")
    path = script("\n".join(lines))  # type: ignore[operator]
    d.load(path)
    d.until("op full")
    for number, (statement, text) in enumerate(WHYS.items()):
        line = next(i for i, each in enumerate(lines, 1) if f"x{number} " in each)
        assert why(d, f"x{number}") == f"'x{number}' is {text.format(line=line)}", statement
        assert ("is a leaf" in why(d, f"x{number}")) == (d.value(f"x{number}.is_leaf") == "True")


def test_why_without_a_recording(d: Debuggee) -> None:
    d.type("import numpy")
    unseen = "torch.from_numpy(numpy.ones(2)).clone"  # a method call that no mode sees
    d.type(f"clone = {unseen}")
    d.type("w = torch.ones(2, requires_grad=True); h = w * 2; y = h.detach()")
    d.type("s = torch._C.DisableTorchFunction")
    d.type(
        "with s(): a = torch.ones(2); b = w.detach(); c = w * 3; e = torch.ones(2).requires_grad_()"
    )
    assert why(d, "a").endswith("created as a leaf or detached; op not recorded.")
    assert why(d, "b") == (
        "'b' is a leaf: it lives in the memory of 'w', which requires a gradient, and has no "
        "grad_fn: it was cut off (detach, .data, no_grad); op not recorded."
    )
    assert why(d, "c") == (
        "'c' is not a leaf: computed of tensors that require a gradient (MulBackward0); "
        "op not recorded."
    )
    assert "requires_grad was set on it" in why(d, "e")


def test_layout_and_autograd_facts_are_torchs(d: Debuggee) -> None:
    d.type("w = torch.rand(4, 6, requires_grad=True); h = (w * 2).relu()")
    d.type("v = h.t()[1:3]; c = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)")
    d.type(
        "i = torch.arange(3); p = torch.nn.Parameter(torch.rand(2)); "
        "m = torch.empty(2, device='meta')"
    )
    d.type(
        "sp = torch.eye(3).to_sparse(); q = torch.rand(3).half(); "
        "z = torch.rand(0); k = torch.rand(2) * 1j"
    )
    for name in ("w", "h", "v", "c", "i", "p", "m", "sp", "q", "z", "k"):
        t = facts(d, name)
        wanted = d.value(
            f"(tuple({name}.shape), str({name}.dtype), {name}.requires_grad, {name}.is_leaf, "
            f"{name}._version, {name}._is_view(), type({name}).__name__, {name}.retains_grad)"
        )
        assert str((t.shape, f"torch.{t.dtype}", t.requires_grad, t.is_leaf, t.version, t.is_view,
                    t.kind, t.retains_grad)) == wanted, name  # fmt: skip
        if t.layout == "strided":
            more = f"({name}.stride(), {name}.storage_offset(), {name}.untyped_storage().nbytes())"
            assert str((t.stride, t.offset, t.storage_nbytes)) == d.value(more)
            assert (t.memory_format == "contiguous") == (
                d.value(f"{name}.is_contiguous()") == "True"
            )
    assert facts(d, "c").memory_format == "channels_last"
    assert facts(d, "v").memory_format == "not contiguous"
    v = facts(d, "v")
    assert [each.node for each in v.inputs] == ["TBackward0"] or v.inputs[0].node.endswith("0")
    assert str(v.sequence) == d.value("v.grad_fn._sequence_nr()")
    assert [(each.node, each.label) for each in facts(d, "h").inputs] == [("MulBackward0", "")]
    assert facts(d, "w").storage != facts(d, "h").storage == v.storage
    assert v.shares == ("h",)


def test_all_its_names(d: Debuggee) -> None:
    d.type("net = nn.Sequential(nn.Linear(2, 3)); first = net[0].weight; kept = [first]")
    d.type("class Box: pass")
    d.type("box = Box(); box.w = first; net(torch.ones(1, 2)).sum().backward(); g = first.grad")
    assert set(facts(d, "first").names) == {"0.weight", "first", "kept[0]", "box.w"}
    assert facts(d, "kept[0]").name == "0.weight"
    assert "0.weight.grad" in facts(d, "g").names
    assert why(d, "g").startswith("'g' is a leaf: it is ")


def test_what_used_it_and_what_wrote_to_it(d: Debuggee) -> None:
    d.type(
        "a = torch.ones(3); b = a + 1; a.mul_(2); "
        "c = torch.stack([a, b]); d1 = torch.add(b, other=a)"
    )
    t = facts(d, "a")
    assert (t.made_by.name, [(use.name, use.wrote) for use in t.used_by]) == (
        "ones", [("add", False), ("mul_", True), ("stack", False), ("add", False)],
    )  # fmt: skip
    assert facts(d, "c").made_by.name == "stack"
    assert facts(d, "c").used_by == ()
    d.type("for _ in range(40): a.sum()")
    t = facts(d, "a")
    assert (len(t.used_by), t.used_total) == (16, 44)
    d.type("values, places = torch.rand(4).sort()")
    assert (facts(d, "places").made_by.name, facts(d, "values").made_by.name) == ("sort", "sort")


def test_ids_of_dead_tensors_are_nobodys(d: Debuggee) -> None:
    d.type("s = torch._C.DisableTorchFunction; found = None; rest = []")
    d.type(
        "a = torch.ones(3); a.relu(); old = id(a)\n"
        "with s():\n    del a\n    for _ in range(1000):\n        b = torch.ones(3)\n"
        "        if id(b) == old: found = b; break\n        rest.append(b)"
    )
    assert d.value("found is None") == "False"
    assert facts(d, "found").used_by == ()
    assert facts(d, "found").made_by is None


def test_hooks_have_owners(d: Debuggee, tmp_path: Path) -> None:
    (tmp_path / "hooking.py").write_text(
        "import functools\n"
        "def clip(grad, most=1): return None\n"
        "partial = functools.partial(clip, most=2)\n"
        "class Log:\n    def __call__(self, grad): "
        "return None\n    def method(self, grad): return None\n"
    )
    d.type(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import hooking")
    d.type("w = torch.ones(3, requires_grad=True); h = w * 2")
    d.type(
        "for f in (hooking.clip, hooking.partial, hooking.Log(), "
        "hooking.Log().method, print): h.register_hook(f)"
    )
    d.type("w.register_post_accumulate_grad_hook(hooking.clip)")
    assert [(hook.kind, hook.owner, hook.place) for hook in facts(d, "h").hooks] == [
        ("hook", "clip", "hooking.py:2"), ("hook", "clip", "hooking.py:2"),
        ("hook", "Log", "hooking.py:5"), ("hook", "Log.method", "hooking.py:6"),
        ("hook", "builtin_function_or_method", ""),
    ]  # fmt: skip
    assert [(h.kind, h.owner) for h in facts(d, "w").hooks] == [
        ("post accumulate grad hook", "clip")
    ]


def test_why_there_is_no_gradient(d: Debuggee) -> None:
    d.type("w = torch.ones(3, requires_grad=True); u = torch.ones(3, requires_grad=True)")
    d.type("h = w * 2; plain = torch.ones(2); loss = h.sum()")
    ask = lambda name: word(d, "grad", name).message  # noqa: E731
    assert ask("w").endswith("none: no backward has come here since it was made or cleared.")
    assert ask("plain").endswith("none: it does not require a gradient.")
    assert "not a leaf" in ask("h")
    assert "':retain h'" in ask("h")
    d.type("loss.backward()")
    assert "never reached: 'w' has a gradient" in ask("u")
    found = word(d, "grad", "w")
    assert (found.name, found.stats.norm) == ("w.grad", pytest.approx(math.sqrt(12)))
    d.type("w.grad.zero_()")
    assert facts(d, "w").grad_state == "zero"
    d.type("w.grad[0] = float('nan')")
    assert facts(d, "w").grad_state == "nan"
    d.type("w.grad[0] = float('inf')")
    assert facts(d, "w").grad_state == "inf"


def test_why_there_is_no_gradient_yet_at_a_backward_stop(d: Debuggee) -> None:
    d.type("w = torch.ones(3, requires_grad=True); u = torch.ones(3, requires_grad=True)")
    d.type("loss = (w * 2).sum()")
    d.backward("loss")
    assert "comes to it at node #3" in word(d, "grad", "w").message
    assert "does not lead to it" in word(d, "grad", "u").message
    d.cont()


def test_retain(d: Debuggee) -> None:
    d.type(
        "w = torch.ones(3, requires_grad=True); h = w * 2; loss = h.sum(); plain = torch.ones(1)"
    )
    ask = lambda name: said(d, protocol.Retain(expression=name))  # noqa: E731
    assert ask("w") == "'w' is a leaf: a leaf keeps its gradient already."
    assert ask("plain").startswith("'plain' will get no gradient: it does not require one. It is a")
    assert d.value("h.retains_grad") == "False"
    assert "from the next backward on" in ask("h")
    assert d.value("h.retains_grad") == "True"
    assert ask("h") == "'h' keeps its gradient already."
    d.type("loss.backward()")
    assert d.value("h.grad") == "tensor([1., 1., 1.])"
    assert "is a str, not a tensor" in ask("'no'")


def test_retain_in_the_middle_of_a_backward(d: Debuggee) -> None:
    d.type("w = torch.ones(3, requires_grad=True); h = w * 2; g = h * 3; loss = g.sum()")
    d.backward("loss")
    assert "from this backward on" in said(d, protocol.Retain(expression="h"))
    d.step()
    d.step()
    assert "from the next backward on" in said(d, protocol.Retain(expression="g"))
    d.cont()
    assert d.value("h.grad") == "tensor([3., 3., 3.])"
    assert d.value("g.grad is None") == "True"


STATE = """\
(torch.random.get_rng_state().sum().item(), torch.autograd._get_sequence_nr(),
 [(t._version, t.requires_grad, t.retains_grad, t.is_leaf, id(t.grad_fn), t.grad is None,
   t._backward_hooks is None) for t in (w, h, v, y, i)], torch.is_grad_enabled(),
 torch._C._len_torch_function_stack(), torch.get_num_threads())
"""


def test_nothing_changes(d: Debuggee) -> None:
    d.type(
        "w = torch.rand(3, 3, requires_grad=True); h = w * 2; "
        "v = h[1]; y = h.detach(); i = torch.arange(9)"
    )
    d.type("kept = [h.grad_fn, v.grad_fn]")
    source = STATE.replace("\n", " ")
    before = d.value(source)
    for name in ("w", "h", "v", "y", "i", "h.grad_fn", "v + 1"):
        for each in ("t", "leaf", "grad"):
            word(d, each, name)
    after = d.value(source)
    # ('v + 1' was typed by the user, and makes its node each time.)
    assert after.split(",")[2:] == before.split(",")[2:]
    assert int(after.split(",")[1]) == int(before.split(",")[1]) + 3
    d.type("import gc, weakref; big = torch.rand(10); r = weakref.ref(big)")
    facts(d, "big")
    d.type("del big")
    assert d.value("r()") == "None"


def test_tensors_can_still_be_swapped(d: Debuggee) -> None:
    d.type("a, b = torch.ones(2) + 1, torch.zeros(2) * w if 'w' in dir() else torch.zeros(2) * 1")
    d.type("torch.utils.swap_tensors(a, b)")
    assert d.value("a") == "tensor([0., 0.])"
    d.type("torch.__future__.set_swap_module_params_on_conversion(True); m = nn.Linear(2, 2)")
    d.type(
        "m(torch.ones(1, 2)).sum().backward(); m.double(); "
        "torch.__future__.set_swap_module_params_on_conversion(False)"
    )
    assert d.value("m.weight.dtype") == "torch.float64"


# -- the spread --------------------------------------------------------------------------------


def plainly(values: list[float]) -> list[int]:
    """Count as the definition says, in pure Python."""
    low, high = min(values), max(values)
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int((value - low) / (high - low) * BINS))] += 1
    return counts


def test_the_spread_of_fixed_values() -> None:
    found = histogram(torch.arange(17.0))
    assert (found.low, found.high, found.counts) == (0.0, 16.0, (1,) * 15 + (2,))
    assert (found.looked_at, found.total, found.sampled) == (17, 17, False)
    assert histogram(torch.tensor([2.0, 2.0])).counts == (2,)
    assert histogram(torch.tensor([True, False, True])).counts == (1, *[0] * 14, 2)
    nothing = [torch.tensor([]), torch.tensor([float("nan")]), torch.ones(2) * 1j,
               torch.empty(3, device="meta"), torch.eye(2).to_sparse()]  # fmt: skip
    assert [histogram(each) for each in nothing] == [None] * 5
    broken = histogram(torch.tensor([0.0, float("nan"), 1.0, float("inf"), -float("inf")]))
    assert (broken.low, broken.high, sum(broken.counts)) == (0.0, 1.0, 2)
    wide = histogram(torch.tensor([-1.7e308, 0.0, 1.7e308], dtype=torch.float64))
    assert (wide.counts[0], sum(wide.counts), wide.counts[-1]) == (1, 3, 1)


@pytest.mark.parametrize("seed", range(20))
def test_the_spread_of_random_values(seed: int) -> None:
    random.seed(seed)
    torch.manual_seed(seed)
    dtype = random.choice(
        [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int32]
    )
    tensor = (torch.randn(random.randrange(2, 60), random.randrange(1, 9)) * 100).to(dtype)
    tensor = random.choice(
        [tensor, tensor.t(), tensor[::2], tensor.requires_grad_(dtype.is_floating_point)]
    )
    found = histogram(tensor)
    values = tensor.detach().double().flatten().tolist()
    wanted = plainly(values) if min(values) < max(values) else [len(values)]
    assert sum(found.counts) == sum(wanted)
    # An element exactly at an edge may fall on either side of it by rounding.
    assert sum(abs(a - b) for a, b in zip(found.counts, wanted, strict=True)) <= 2
    assert (found.low, found.high) == (min(values), max(values))


def test_a_large_tensor_is_sampled_and_says_so() -> None:
    large = torch.arange(3 * LOOKED_AT, dtype=torch.float32).reshape(3, -1)
    found = histogram(large.t())
    assert (found.sampled, found.total) == (True, 3 * LOOKED_AT)
    assert LOOKED_AT // 4 < found.looked_at <= LOOKED_AT
    assert sum(found.counts) == found.looked_at
    assert max(found.counts) < 1.2 * min(found.counts)
    expanded = torch.ones(1).expand(1 << 40)
    assert histogram(expanded).counts == (histogram(expanded).looked_at,)


def test_a_huge_expanded_tensor_is_read_once() -> None:
    huge = torch.tensor([[3.0], [0.0], [float("nan")]]).expand(3, 1 << 40)
    found = stats(huge[:2])
    assert (found.norm, found.min, found.max, found.mean) == (3.0 * 2**20, 0.0, 3.0, 1.5)
    assert (found.zeros, stats(huge).nans) == (1 << 40, 1 << 40)


ODD = """\
import warnings; warnings.simplefilter("ignore")
nested = torch.nested.nested_tensor([torch.rand(2), torch.rand(3)])
csr = torch.eye(3).to_sparse_csr(); coo = torch.eye(3).to_sparse().requires_grad_()
mk = torch.rand(3, 3).to_mkldnn(); q = torch.quantize_per_tensor(torch.rand(3), .1, 0, torch.qint8)
meta = torch.empty(3, device="meta", requires_grad=True)
small = torch.rand(3).to(torch.float8_e4m3fn)
neg = torch.rand(2, dtype=torch.complex64).conj().imag; lazy = nn.LazyLinear(3).weight
from torch._subclasses.fake_tensor import FakeTensorMode
with FakeTensorMode(): fake = torch.rand(3)
kept = []
torch.func.vmap(lambda x: (kept.append(x), x * 2)[1])(torch.rand(3, 2)); batched = kept[0]
class Mine(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *args): raise ValueError("mine")
mine = torch.rand(3).as_subclass(Mine)
w = torch.rand(4, requires_grad=True)
y = w * 1; refused = y.split(2)[0]
with torch.no_grad(): y.add_(1)
base = torch.rand(4); other = base.unbind(0)[0]; base.mul_(w)
"""


@pytest.mark.parametrize(
    "name",
    "nested csr coo mk q meta small neg lazy fake batched mine refused other".split(),  # noqa: SIM905
)
def test_odd_tensors_are_told_about(d: Debuggee, name: str) -> None:
    d.type(ODD)
    assert facts(d, name).leaf_why
    assert "no" in why(d, name) or "leaf" in why(d, name) or "torch says" in why(d, name)
    assert word(d, "grad", name).message.startswith(f"the gradient of '{name}' is")
    for request in (protocol.GraphRows(expression=name), protocol.FunctionOf(target=name)):
        found = d.look(request)
        assert getattr(found, "kind", "AutogradError") in ("AutogradError", "")
