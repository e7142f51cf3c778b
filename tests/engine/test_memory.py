"""Who shares memory with whom, as torch itself has it, and nothing of it changed by asking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from debuggee import Debuggee

from gradrepl import model
from gradrepl import protocol as p
from gradrepl.draw import ink
from gradrepl.draw.memory import relation

SHARING = """
import copy, warnings
import numpy as np
w = torch.arange(50.).view(5, 10).clone().requires_grad_()
view, row, other_row = w.view(-1), w[1], w[2]
detached, data, same = w.detach(), w.data, w
wide = w.expand(3, 5, 10)
array = w.detach().numpy()
again = torch.from_numpy(array)
cloned, apart, deep = w.clone(), w.detach().clone(), copy.deepcopy(w)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    fresh = torch.tensor(w)
tidy, told = w.contiguous(), w.to(torch.float32)
wider = w.to(torch.float64)
reshaped, turned = w.reshape(-1), w.t().reshape(-1)
plain = torch.zeros(4)
flat = plain.view(2, 2)
nothing = torch.zeros(5, 10, device="meta")
"""


def asked(d: Debuggee, *expressions: str) -> model.Storages:
    found = d.look(p.AskStorages(expressions=expressions))
    assert isinstance(found, model.Storages), found
    return found


def members(d: Debuggee, expression: str) -> dict[str, tuple[str, str]]:
    """Return for each name in a storage its kind, and of what."""
    (storage,) = asked(d, expression).storages
    return {each.name: (each.kind, each.of) for each in storage.members}


def test_the_kind_of_every_sharing(d: Debuggee) -> None:
    d.type(SHARING)
    assert members(d, "w") == {
        "w": ("base", ""), "view": ("view", "w"), "row": ("view", "w"), "other_row": ("view", "w"),
        "detached": ("detach", "w"), "data": ("data", "w"), "same": ("alias", "w"),
        "wide": ("expand", "w"), "array": ("numpy", "w"), "again": ("alias", "w"),
        "tidy": ("alias", "w"), "told": ("alias", "w"), "reshaped": ("view", "w"),
    }  # fmt: skip
    assert members(d, "plain") == {"plain": ("base", ""), "flat": ("view", "plain")}
    for alone in ("cloned", "apart", "deep", "fresh", "wider", "turned", "nothing"):
        assert members(d, alone) == {alone: ("base", "")}


def test_which_came_of_which_is_told_only_where_it_is_known(
    d: Debuggee, script: Callable[..., Path]
) -> None:
    path = script("""
        import numpy, torch
        x = torch.zeros(8).view(2, 4)  # its base has no name
        d2 = x.detach()
        y = torch.zeros(4); cut = y.detach(); flat = y.data.view(2, 2)
        one = torch.zeros(6); two, three = one[1:], one[:5]
        del one
        w = torch.ones(3, requires_grad=True); of_w = w.detach().view(3, 1)
        a = numpy.zeros(3); t = torch.from_numpy(a)
    """)
    d.load(path)
    d.cont()

    def told(name: str) -> dict[str, str]:
        (storage,) = asked(d, name).storages
        return {each.name: ink.plain([(relation(each), "")]) for each in storage.members}

    assert told("x") == {"d2": "", "x": "detach with d2"}
    assert told("y") == {"y": "", "cut": "detach with y", "flat": "data with y"}
    assert told("two") == {"two": "view", "three": "view with two"}
    assert told("w") == {"w": "base", "of_w": "detach of w"}
    assert told("t") == {"t": "", "a": "numpy with t"}
    d.type("p = torch.zeros(4); cut2 = p.detach(); r = torch.zeros(8).view(2, 4); s = r.detach()")
    assert told("p") == {"p": "base", "cut2": "detach of p"}, "recorded ops know"
    assert told("r") == {"s": "", "r": "detach with s"}


def test_a_member_says_where_it_lies(d: Debuggee) -> None:
    d.type("w = torch.zeros(5, 10, requires_grad=True)\nrow, col = w[1], w[:, 2]\nd = w.data")
    (storage,) = asked(d, "w").storages
    found = {each.name: each for each in storage.members}
    assert (storage.nbytes, storage.device, storage.shared) == (200, "cpu", "")
    row, col = found["row"], found["col"]
    assert (row.offset, row.nbytes, row.shape, row.stride) == (40, 40, (10,), (1,))
    assert row.ranges == ((40, 80),)
    assert col.ranges == tuple((8 + 40 * n, 12 + 40 * n) for n in range(5))
    assert (col.offset, col.grad_fn, col.is_leaf) == (8, "SelectBackward0", False)
    assert found["w"].counter == row.counter == col.counter != found["d"].counter
    assert storage.id == d.look(p.AskStorages(expressions=("col",))).storages[0].id


def test_versions_are_those_of_torch(d: Debuggee) -> None:
    d.type("w = torch.zeros(3)\na, b = w.detach(), w.data\na.add_(1)\na.add_(1)\nb.add_(1)")
    (storage,) = asked(d, "w").storages
    told = {each.name: each.version for each in storage.members}
    assert told == {"w": 2, "a": 2, "b": 1}
    assert d.value("[w._version, a._version, b._version]") == "[2, 2, 1]"


def test_modules_gradients_and_optimizers_have_their_names(d: Debuggee) -> None:
    d.type("""
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.enc, self.dec = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
                self.dec.weight = self.enc.weight
                self.norm = nn.BatchNorm1d(2, affine=False)
                self.kept = torch.zeros(1)
        net = Net()
        opt = torch.optim.Adam(net.parameters())
        net.enc.weight.grad = g = torch.ones(2, 2)
        opt.step()
        first = net.enc.weight
    """.replace("\n        ", "\n"))  # fmt: skip
    found = asked(d)
    told = {(m.name, m.owner, m.kind) for s in found.storages for m in s.members}
    assert told == {
        ("enc.weight", "parameter", "base"), ("dec.weight", "parameter", "tied"),
        ("first", "variable", "alias"), ("g", "variable", "base"),
        ("enc.weight.grad", "gradient", "alias"), ("kept", "inside of a variable", "base"),
        ("norm.running_mean", "buffer", "base"), ("norm.running_var", "buffer", "base"),
        ("norm.num_batches_tracked", "buffer", "base"),
        ("opt.step[enc.weight]", "optimizer", "base"),
        ("opt.exp_avg[enc.weight]", "optimizer", "base"),
        ("opt.exp_avg_sq[enc.weight]", "optimizer", "base"),
    }  # fmt: skip
    assert (found.total, found.tensors) == (9, 9)


def test_what_is_inside_of_containers_and_objects_has_a_name(d: Debuggee) -> None:
    d.type("""
        class Box: pass
        box = Box(); box.inner = torch.zeros(1)
        many = [torch.zeros(1)] + [0] * 300
        pair, table = (torch.zeros(1), torch.zeros(1)), {'k': torch.zeros(1), 3: torch.zeros(1)}
        models = [nn.Linear(1, 1, bias=False)]
    """.replace("\n        ", "\n"))  # fmt: skip
    found = asked(d)
    assert {m.name for s in found.storages for m in s.members} == {
        "box.inner", "many[0]", "pair[0]", "pair[1]", "table['k']", "table[3]", "models[0].weight",
    }  # fmt: skip
    assert found.cut == ("only the first 256 of 301 things in 'many' were looked at",)


def test_variables_of_all_frames(d: Debuggee, script: Callable[..., Path]) -> None:
    path = script("""
        import torch
        x = torch.zeros(2)
        def inner(x, y):
            return x.add(1)
        def outer(y):
            return inner(y[:1], y)
        outer(x)
    """)
    d.load(path)
    d.until("op add")
    (storage,) = asked(d, "y").storages
    told = {m.name: (m.kind, m.of) for m in storage.members}
    assert told == {"x (global)": ("alias", "y"), "x": ("view", "y"), "y": ("base", "")}
    assert {m.name for s in asked(d).storages for m in s.members} >= {"out"}


def test_what_exists_only_at_a_stop(d: Debuggee) -> None:
    d.type("w = torch.ones(3, requires_grad=True)\ny = (w * 2).sum()")
    d.backward("y")
    d.step()
    names = {m.name for s in asked(d).storages for m in s.members}
    assert {"w", "y", "grad_in[0]"} <= names
    d.cont()


def test_what_the_graph_saved(d: Debuggee) -> None:
    d.type("""
        class Keep(torch.autograd.Function):
            @staticmethod
            def forward(ctx, a, b):
                out = a * b
                ctx.save_for_backward(a, out)
                return out
            @staticmethod
            def backward(ctx, g):
                a, out = ctx.saved_tensors
                return g * a, g
        a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
        y = Keep.apply(a, b)
        z = y.exp()
        d = y.detach(); d.add_(1)
    """.replace("\n        ", "\n"))  # fmt: skip
    found = asked(d)
    saved = {
        (m.name, m.kind, m.of, m.saved_version, m.stale)
        for s in found.storages
        for m in s.members
        if m.owner == "saved"
    }
    assert saved == {
        ("KeepBackward.saved_tensors[0]", "alias", "a", 0, False),
        ("KeepBackward.saved_tensors[1]", "alias", "y", 0, True),
        ("ExpBackward0.result", "alias", "z", 0, False),
    }
    (stale,) = found.stale
    assert (stale.node, stale.name, stale.saved) == ("KeepBackward", "y", "saved_tensors[1]")
    assert (stale.saved_version, stale.version) == (0, 1)
    assert stale.written_by.endswith("through d")
    assert stale.sentence.endswith("backward through KeepBackward will raise when it reads it.")
    assert "modified by an inplace" in d.type("z.sum().backward()").message


PAIRS = [
    ("w", "view", "view", "view is a view of w: 200 B", "view -> w", True),
    ("w", "row", "view", "row is a view of w: 40 B", "row -> w", True),
    ("row", "other_row", "same storage, other bytes", "yet raises its version", "", None),
    ("view", "row", "view", "are views of one tensor", "", True),
    ("w", "detached", "detach", "detached is w without its history", "", True),
    ("row", "detached", "detach", "detached is row without its history", "", True),
    ("w", "data", "data", "own version counter", "", False),
    ("w", "array", "numpy", "array, a NumPy array, shares 200 B with w", "", False),
    ("array", "array[1:]", "numpy", "NumPy arrays that share 160 B", "", False),
    ("w", "again", "alias", "each has its own version counter", "", False),
    ("w", "wide", "expand", "wide repeats w", "wide -> w", True),
    ("w", "same", "alias", "two names of one tensor", "", True),
    ("w", "w", "alias", "w is one tensor, asked for twice", "", True),
    ("w", "tidy", "alias", "nothing was copied", "", True),
    ("w", "told", "alias", ".to()", "", True),
    ("w", "reshaped", "view", "reshaped is a view of w", "reshaped -> w", True),
    ("w", "turned", "clone", "its layout could not be viewed", "turned -> w", None),
    ("w", "cloned", "clone", "is a copy of w (clone)", "cloned -> w", None),
    ("w", "wider", "clone", "in another dtype", "wider -> w", None),
    ("w", "apart", "separate", "no gradient flows between them: apart was cut off by", "", None),
    ("w", "deep", "separate", "their values are equal now", "", None),
    ("w", "fresh", "separate", "fresh was made of w by tensor", "", None),
    ("w", "(w * 2).sum()", "computed", "by SumBackward0, MulBackward0", "(w * 2).sum() -> w", None),
    ("w", "nothing", "separate", "'meta' has no bytes at all", "", None),
    ("nothing", "nothing[0]", "view", "of which 'meta' has none", "", True),
    ("plain", "flat", "view", "flat is a view of plain: 16 B", "", True),
]


@pytest.fixture(scope="module")
def prepared(house: Any) -> Debuggee:
    found: Debuggee = house.fetch()
    found.type(SHARING)
    return found


@pytest.mark.parametrize(("a", "b", "kind", "part", "flow", "seen"), PAIRS)
def test_two_tensors_in_one_sentence(
    prepared: Debuggee, a: str, b: str, kind: str, part: str, flow: str, seen: bool | None
) -> None:
    found = prepared.look(p.AskSharing(a=a, b=b))
    assert isinstance(found, model.Sharing), found
    assert (found.kind, found.gradient, found.writes_seen) == (kind, flow, seen)
    assert part in found.sentence
    assert found.sentence.count(".") >= 1
    assert "\n" not in found.sentence


def test_tied_parameters_and_gradients_in_one_sentence(d: Debuggee) -> None:
    d.type("""
        net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
        net[1].weight = net[0].weight
        net[0].weight.grad = g = torch.ones(2, 2)
        s = torch.eye(3).to_sparse()
        v = s._values()
    """.replace("\n        ", "\n"))  # fmt: skip
    tied = d.look(p.AskSharing(a="net[0].weight", b="net[1].weight"))
    assert (tied.kind, "at two places (tied)" in tied.sentence) == ("tied", True)
    grad = d.look(p.AskSharing(a="g", b="net[0].weight.grad"))
    assert (grad.kind, "it is a .grad" in grad.sentence) == ("alias", True)
    sparse = d.look(p.AskSharing(a="s", b="v"))
    assert (sparse.same_storage, sparse.overlap) == (True, 12)
    assert {m.name for m in asked(d, "s").storages[0].members} >= {"s._indices()"}


def test_gradient_flows_through_the_right_output_of_a_node(d: Debuggee) -> None:
    d.type("w = torch.ones(2, 3, requires_grad=True)\na, b = w.unbind(0)\ny = (b * 2).sum()")
    told = {name: d.look(p.AskSharing(a=name, b="y")).gradient for name in ("a", "b", "w")}
    assert told == {"a": "", "b": "y -> b", "w": "y -> w"}
    grads = "[torch.autograd.grad(y, x, allow_unused=True, retain_graph=True)[0] is None for x in "
    assert d.value(grads + "(a, b, w)]") == "[True, False, False]"


STRANGE = {
    "torch.zeros(2, device='meta')": "meta",
    "torch.eye(2).to_sparse()": "sparse",
    "torch.eye(2).to_sparse_csr()": "csr",
    "torch.zeros(0)": "empty",
    "torch.zeros(())": "scalar",
    "torch.zeros(2, dtype=torch.complex64).conj()": "conj",
    "torch.quantize_per_tensor(torch.ones(2), 1.0, 0, torch.qint8)": "quantized",
    "torch.eye(2).to_mkldnn()": "mkldnn",
    "nn.Parameter(torch.zeros(2))": "parameter",
    "nn.LazyLinear(3).weight": "lazy",
    "torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])": "nested",
    "torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)": "jagged",
    "torch.zeros(3).share_memory_()": "shared",
    "torch.zeros(4, dtype=torch.bool)[::2]": "bool",
    "np.zeros((3, 4), order='F')[::-1]": "array",
    "np.array(['a'], dtype=object)": "objects",
}


@pytest.mark.parametrize("expression", STRANGE, ids=STRANGE.values())
def test_tensors_of_every_kind_get_an_answer(d: Debuggee, expression: str) -> None:
    d.type("import warnings\nimport numpy as np\nwarnings.simplefilter('ignore')")
    d.type(f"x = {expression}\ny = torch.zeros(2)\nwith torch.inference_mode(): z = y + 1")
    known = (model.Storages, model.Sharing, model.Copies, model.Versions, model.MemoryUse)
    for request in (
        p.AskStorages(), p.AskStorages(expressions=("x",)), p.AskSharing(a="x", b="y"),
        p.AskSharing(a="z", b="x"), p.AskSharing(a="x", b="x"), p.AskCopies(expression="x"),
        p.AskVersions(expression="x"), p.AskVersions(expression="z"), p.AskBytes(),
    ):  # fmt: skip
        found = d.look(request)
        assert isinstance(found, known) or found.kind == "UsageError", (request, found)
    d.type("y = None")  # a stop looks at what is watched
    assert isinstance(d.type("y = torch.zeros(1) + 1", stepped=True), model.Stop)
    d.cont()


def test_shared_files_and_no_bytes_are_said(d: Debuggee) -> None:
    d.type("s = torch.zeros(3).share_memory_()\nm = torch.zeros(3, device='meta')")
    assert [asked(d, name).storages[0].shared for name in "sm"] == ["shared file", "no bytes"]


def test_ids_stay_and_are_never_given_again(d: Debuggee) -> None:
    d.type("a = torch.zeros(1000)")
    first = asked(d, "a").storages[0].id
    assert asked(d, "a[:5]").storages[0].id == first
    seen = {first}
    for _ in range(5):
        d.type("del a\na = torch.zeros(1000)")
        seen.add(asked(d, "a").storages[0].id)
    assert len(seen) == 6


def test_nothing_is_kept_alive(d: Debuggee) -> None:
    d.type("import weakref, gc\nx = torch.zeros(1000, requires_grad=True)\ny = x * 2")
    d.type("held = [weakref.ref(x), weakref.ref(y), weakref.ref(y.untyped_storage())]")
    for request in (p.AskStorages(), p.AskSharing(a="x", b="y"), p.AskCopies(expression="x"),
                    p.AskVersions(expression="y"), p.AskBytes()):  # fmt: skip
        d.look(request)
    d.type("del x, y")
    assert d.value("[each() for each in held]") == "[None, None, None]"
    assert d.look(p.AskVersions()).rows == ()


def test_errors_are_a_sentence(d: Debuggee) -> None:
    d.type("n = 3")
    for request in (p.AskStorages(expressions=("n",)), p.AskSharing(a="n", b="n"),
                    p.AskCopies(expression="n"), p.AskVersions(expression="n")):  # fmt: skip
        found = d.look(request)
        assert found.message == "'n' is a int, not a tensor."
        assert found.hint


def test_a_thousand_parameters_are_grouped_and_counted(d: Debuggee) -> None:
    d.type("m = nn.Sequential(*[nn.Linear(8, 8) for _ in range(500)])")
    found = asked(d)
    assert (found.total, found.tensors, found.nbytes) == (1000, 1000, 500 * (64 + 8) * 4)
    assert len(found.storages) == 500
    assert len(d.look(p.AskStorages(limit=1000)).storages) == 1000


# -- nothing changes -------------------------------------------------------------------------------

STATE = """
def state():
    tensors = [w, view, row, detached, data, wide, again, cloned, deep, plain, flat, y]
    return repr([
        [t._version for t in tensors], [t.requires_grad for t in tensors],
        [t.is_leaf for t in tensors], [t.data_ptr() for t in tensors],
        [t.grad_fn.name() if t.grad_fn is not None else None for t in tensors],
        None if w.grad is None else w.grad.tolist(), w.tolist(), array.tolist(), ran,
        torch.get_rng_state().sum().item(), torch.is_grad_enabled(), len(warnings.filters),
        warnings.filters[:3], sorted(vars(w)), bool(w._backward_hooks), heard,
        torch._C._len_torch_function_stack(), torch.is_inference_mode_enabled(),
    ])
ran, heard = [], []
warnings.showwarning = lambda *a, **k: heard.append(str(a[0]))
w.register_hook(lambda g: ran.append(1))
y = (w * w).sum() + flat.sum()
"""


def test_asking_changes_nothing(d: Debuggee) -> None:
    d.type(SHARING)
    d.type(STATE)
    d.type("before = state()")
    for name in ("w", "view", "data", "wide", "cloned", "plain", "deep", "again"):
        for request in (
            p.AskStorages(expressions=(name,)), p.AskSharing(a=name, b="w"),
            p.AskSharing(a=name, b="array"), p.AskCopies(expression=name),
            p.AskVersions(expression=name),
        ):  # fmt: skip
            assert not isinstance(d.look(request), model.Error)
    for request in (p.AskStorages(), p.AskBytes(), p.AskVersions()):
        d.look(request)
    d.type("after = state()")
    assert d.value("before == after") == "True", d.value("[before, after]", full=True)
    d.type("y.backward()\nworks = torch.equal(w.grad, 2 * w.detach())")
    assert d.value("works") == "True"


def test_warnings_are_shown_as_often_as_without_us(d: Debuggee) -> None:
    d.type("""
        import warnings
        heard = []
        warnings.resetwarnings(); warnings.simplefilter('default')
        warnings.showwarning = lambda *a, **k: heard.append(str(a[0]))
        x = torch.ones(2, requires_grad=True)
        def warn(): warnings.warn('once a place')
        warn(); torch.tensor(x)
    """.replace("\n        ", "\n"))  # fmt: skip
    d.look(p.AskCopies(expression="x"))
    assert d.value("len(heard)") == "2"
    d.type("warn()")  # Python remembers that it was shown
    assert d.value("len(heard)") == "2"
    d.type("warnings.simplefilter('error')")
    rows = {row.way: row for row in d.look(p.AskCopies(expression="x")).ways}
    assert rows["torch.tensor(x)"].failed == ""


# -- what copying does -----------------------------------------------------------------------------


def ways(d: Debuggee, name: str) -> dict[str, tuple[Any, ...]]:
    found = d.look(p.AskCopies(expression=name))
    assert isinstance(found, model.Copies), found
    return {
        row.way: (row.same_bytes, row.same_counter, row.gradient, row.leaf, row.copied)
        for row in found.ways
        if not row.failed
    }


def test_what_each_way_of_copying_does(d: Debuggee) -> None:
    d.type("x = torch.ones(2, 3, requires_grad=True)")
    assert ways(d, "x") == {
        "x.view(-1)": (True, True, True, False, 0), "x[...]": (True, True, True, False, 0),
        "x.expand(2, ...)": (True, True, True, False, 0),
        "x.reshape(-1)": (True, True, True, False, 0),
        "x.contiguous()": (True, True, True, True, 0), "x.detach()": (True, True, False, True, 0),
        "x.data": (True, False, False, True, 0),
        "x.detach().numpy()": (True, None, False, None, 0),
        "x.clone()": (False, False, True, False, 24),
        "x.detach().clone()": (False, False, False, True, 24),
        "copy.deepcopy(x)": (False, False, False, True, 24),
        "torch.tensor(x)": (False, False, False, True, 24),
        "x.to(float32)": (True, True, True, True, 0),
        "x.to(float64)": (False, False, True, False, 48),
        "x.cpu()": (True, True, True, True, 0),
    }  # fmt: skip


def test_ways_that_cannot_be_gone_say_why(d: Debuggee) -> None:
    d.type("x = (torch.ones(2, 3, requires_grad=True) * 2).t()")
    failed = {w.way: w.failed for w in d.look(p.AskCopies(expression="x")).ways if w.failed}
    assert set(failed) == {"x.view(-1)", "x.numpy()", "copy.deepcopy(x)"}
    assert "graph leaves" in failed["copy.deepcopy(x)"]
    assert ways(d, "x")["x.reshape(-1)"] == (False, False, True, False, 24)


@pytest.mark.parametrize(
    "small",
    ["torch.ones(6, 4, requires_grad=True)", "torch.ones(6, 4, requires_grad=True) * 2",
     "torch.ones(6, 4).t()", "torch.ones(6, 8)[:, ::2]", "torch.ones(4).expand(6, 4)",
     "torch.ones(6, 4, dtype=torch.int32)", "torch.ones(2, 3, 4).permute(2, 0, 1)",
     "nn.Parameter(torch.ones(3, 5))"],
)  # fmt: skip
def test_a_stand_in_behaves_as_the_tensor_itself(d: Debuggee, small: str) -> None:
    """A large tensor must have what a small one of the same making has."""
    grown = (
        small.replace("6", "600000").replace("(3, 5)", "(300000, 5)").replace("3, 4)", "300000, 4)")
    )
    d.type(f"x = {small}")
    itself = ways(d, "x")
    assert d.look(p.AskCopies(expression="x")).measured_on == "x itself"
    d.type(f"x = {grown}")
    assert "stand-in" in d.look(p.AskCopies(expression="x")).measured_on
    large = ways(d, "x")
    assert {way: row[:4] for way, row in large.items()} == {
        way: row[:4] for way, row in itself.items()
    }
    assert {way: bool(row[4]) for way, row in large.items()} == {
        way: bool(row[4]) for way, row in itself.items()
    }


def test_a_subclass_of_the_users_is_not_copied(d: Debuggee) -> None:
    d.type("""
        class Mine(torch.Tensor):
            copied = []
            def __deepcopy__(self, memo):
                Mine.copied.append(1)
                return self
        x = torch.ones(3).as_subclass(Mine)
    """.replace("\n        ", "\n"))  # fmt: skip
    assert "a Mine may copy itself" in d.look(p.AskCopies(expression="x")).measured_on
    assert d.value("Mine.copied") == "[]"


# -- who holds how much ----------------------------------------------------------------------------


def test_bytes_are_counted_once_at_their_first_owner(d: Debuggee) -> None:
    d.type("""
        net = nn.Sequential(nn.Linear(10, 10, bias=False), nn.BatchNorm1d(10))
        opt = torch.optim.SGD(net.parameters(), momentum=0.9)
        x = torch.zeros(4, 10)
        net(x).sum().backward()
        opt.step()
        weight, part = net[0].weight, torch.zeros(1000)[:10]
        y = net(x).exp()
    """.replace("\n        ", "\n"))  # fmt: skip
    found = d.look(p.AskBytes())
    told = {row.owner: row.nbytes for row in found.owners}
    assert told["parameters"] == told["gradients"] == told["optimizer state"] == (100 + 20) * 4
    assert told["buffers"] == 2 * 10 * 4 + 8
    assert told["other"] == 4000
    assert sum(told.values()) == found.total == sum(n for _, n in found.devices)
    assert found.largest[0].name == "part"
    assert (found.largest[0].nbytes, found.largest[0].used) == (4000, 40)
    assert (found.allocated, found.reserved) == (None, None)


def test_a_thin_view_of_a_deleted_tensor_holds_all_and_uses_its_part(d: Debuggee) -> None:
    d.type("thin = torch.zeros(1_000_000)[::10]")
    (largest,) = d.look(p.AskBytes()).largest
    assert (largest.name, largest.nbytes, largest.used) == ("thin", 4_000_000, 400_000)
