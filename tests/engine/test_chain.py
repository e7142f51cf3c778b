"""The chain rule's commands in a real debuggee: at the prompt, at stops, in a backward."""

from __future__ import annotations

import pytest

from gradrepl import conditions as c
from gradrepl import model
from gradrepl import protocol as p

TWO_WAYS = """
a = torch.tensor(2., requires_grad=True)
left = 3 * a
right = a ** 2
L = left * right
"""
FUNCTION = """
class Twice(torch.autograd.Function):
    runs = 0
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 2 * x
    @staticmethod
    def backward(ctx, grad):
        Twice.runs += 1
        return 2 * grad
"""


def paths(d, leaf, root=""):
    found = d.look(p.PathsTo(leaf=leaf, root=root))
    assert isinstance(found, model.Paths), found
    return found


def error(d, request):
    found = d.look(request)
    assert isinstance(found, model.Error), found
    assert not found.traceback
    return found.message


def product(path):
    value = 1.0
    for step in path.steps:
        value *= step.value
    return value


def test_two_paths(d):
    d.type(TWO_WAYS)
    found = paths(d, "a", "L")
    assert (found.count, found.method, found.rest) == (2, "all", None)
    assert (found.total, found.grad, found.agrees, found.notes) == (36.0, 36.0, True, ())
    seen = [[(s.of, s.by, s.value) for s in path.steps] for path in found.paths]
    assert seen == [
        [("L", "right", 6.0), ("right", "a", 4.0)], [("L", "left", 4.0), ("left", "a", 3.0)],
    ]  # fmt: skip
    assert [path.nodes for path in found.paths] == [
        ("MulBackward0", "PowBackward0", "a"), ("MulBackward0", "MulBackward0", "a"),
    ]  # fmt: skip
    assert [path.contribution for path in found.paths] == [24.0, 12.0]
    assert sum(path.share for path in found.paths) == pytest.approx(1)
    lines = [step.line.partition(":") for step in found.paths[1].steps]
    assert [line for _, _, line in lines] == ["5", "3"]
    assert d.value("a.grad") == "None"
    d.type("L.backward()")  # the graph is whole still
    assert d.value("a.grad.item()") == "36.0"


def test_to_a_tensor_in_the_middle(d):
    d.type("x = torch.arange(3.).requires_grad_(); h = x.exp(); y = (h * h).sum() + h[0]")
    found = paths(d, "h", "y")
    assert (found.count, found.agrees) == (3, True)
    assert found.grad.values == d.value(
        "'[' + ', '.join(f'{v:.4g}' for v in torch.autograd.grad(y, h, retain_graph=True)[0]"
        ".tolist()) + ']'"
    ).strip("'")
    (select,) = [path for path in found.paths if "SelectBackward0" in path.nodes]
    assert select.steps[-1].jacobian == ((1.0, 0.0, 0.0),)


def test_a_backward_that_is_paused(d):
    d.type(TWO_WAYS)
    d.type("L.backward(torch.tensor(10.))", stepped=True)
    d.until("node MulBackward0")
    found = paths(d, "a")
    assert (found.root, found.total, found.grad, found.agrees) == ("L", 360.0, 360.0, True)
    assert found.paths[0].nodes == ("#1 MulBackward0", "#2 PowBackward0", "a")
    assert paths(d, "a", "L").total == 36.0  # from L itself, with a gradient of 1
    assert paths(d, "#4").total == 360.0
    d.step()
    here = paths(d, "a", "#2")  # from the node where we stand, with what has arrived there
    assert (here.total, here.root) == (240.0, "#2 PowBackward0")
    assert paths(d, "a").root == "#2 PowBackward0"  # what is above has been freed
    assert "has lost what it saved" in error(d, p.PathsTo(root="L", leaf="a"))
    assert d.value("a.grad") == "None"
    d.cont()
    assert d.value("a.grad.item()") == "360.0"


def test_a_retained_graph_in_the_middle_of_its_backward(d):
    d.type(TWO_WAYS)
    d.type("L.backward(retain_graph=True)", stepped=True)
    d.until("leaf a")
    assert paths(d, "a").total == 36.0
    sums = d.look(p.AddendsOf(target="a"))
    assert [(a.sender, a.made, a.amount) for a in sums.addends] == [
        ("#2 PowBackward0", "right", 24.0), ("#3 MulBackward0", "left", 12.0),
    ]  # fmt: skip
    assert (sums.total, sums.grad, sums.agrees) == (36.0, 36.0, True)
    d.cont()
    assert d.value("a.grad.item()") == "36.0"


def test_where_the_graph_above_is_freed_paths_start_here(d):
    d.type("m = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))")
    d.type("loss = m(torch.ones(5, 3)).square().mean()")
    d.type("loss.backward(retain_graph=True); true = m[0].bias.grad.clone(); m.zero_grad()")
    d.backward("loss")
    d.until("node ReluBackward0")
    found = d.look(p.PathsTo(root="", leaf="m[0].bias"))
    assert found.root.endswith("ReluBackward0")
    assert "these paths start where we stand" in found.notes[0]
    assert found.agrees
    d.cont()
    assert d.value("torch.equal(m[0].bias.grad, true)") == "True"
    assert found.grad.stats.norm == pytest.approx(float(d.value("true.norm().item()")))
    above = d.look(p.PathsTo(root="loss", leaf="m[0].bias"))
    assert "freed that part of the graph" in above.message


def test_a_root_that_is_no_number(d):
    d.type("x = torch.ones(3, requires_grad=True); y = x * 2")
    assert "(3,)" in error(d, p.PathsTo(leaf="x", root="y"))
    d.type("y.backward(torch.tensor([1., 2., 3.]))", stepped=True)
    d.until("node MulBackward0")
    assert paths(d, "x").total.values == "[2, 4, 6]"


def test_several_roots(d):
    d.type("x = torch.tensor(3., requires_grad=True); y = x * 2; z = x * x")
    d.type("torch.autograd.backward([y, z])", stepped=True)
    if d.prompt.state == "forward":  # torch < 2.12 makes the gradients of ones by an op
        d.go(c.FirstNode())
    found = paths(d, "x")
    assert (found.count, found.total, found.agrees) == (3, 8.0, True)


def test_bad_input_is_a_sentence(d):
    d.type("x = torch.ones(3, requires_grad=True); y = x.sum(); c = torch.ones(2); n = 3")
    d.type("other = torch.ones(2, requires_grad=True)")
    assert "no path leads from 'y' to 'other'" in error(d, p.PathsTo(leaf="other", root="y"))
    assert "does not require a gradient" in error(d, p.PathsTo(leaf="c", root="y"))
    assert "not a tensor" in error(d, p.PathsTo(leaf="n", root="y"))
    assert "no backward is paused" in error(d, p.PathsTo(leaf="x"))
    assert "no backward is paused" in error(d, p.PathsTo(leaf="#3", root="y"))
    assert "no node is at hand" in error(d, p.RuleOf())
    d.type("y.backward()", stepped=True)
    assert "there is no node #99" in error(d, p.PathsTo(leaf="#99"))
    assert "is not a node" in error(d, p.PathsTo(leaf="#x"))


def test_user_code_that_ran_is_told(d):
    d.type(FUNCTION)
    d.type("x = torch.tensor(3., requires_grad=True); y = Twice.apply(x) * x")
    d.type("x.register_hook(lambda g: print('never'))")
    found = paths(d, "x", "y")
    runs = int(d.value("Twice.runs"))
    assert runs > 0
    first, second = found.notes
    assert first == f"the backward of Twice was run {runs} more times for this answer."
    assert second.startswith("hooks not run: <lambda> (<typed")
    assert (found.total, found.agrees) == (12.0, True)


def test_a_backward_that_is_not_linear_is_told(d):
    d.type(FUNCTION.replace("2 * grad", "grad.clamp(max=1)").replace("Twice", "Clip"))
    d.type("x = torch.tensor(3., requires_grad=True); y = Clip.apply(x); z = y * 0.8 + y * 0.9")
    found = paths(d, "x", "z")
    assert (found.total, found.grad, found.agrees) == (1.0, 1.0, True)
    assert "not linear" in found.notes[-1]


def test_a_million_million_paths_of_numbers(d):
    d.type("a = torch.tensor(2., dtype=torch.float64, requires_grad=True); x = a")
    d.type("for i in range(40): x = x * 0.7 + x * (0.2 + i / 400)")
    found = paths(d, "a", "x")
    assert (found.count, found.method) == (2**40, "the 50 largest")
    assert len(found.paths) == 50
    assert found.paths[0].contribution == pytest.approx(0.7**40)
    assert found.paths[0].skipped == 80 - 24
    listed = sum(path.contribution for path in found.paths)
    assert found.rest.count == 2**40 - 50
    assert listed + found.rest.contribution == pytest.approx(found.grad, rel=1e-14)
    assert found.agrees


def test_paths_of_few_numbers_are_their_products(d):
    d.type("a = torch.tensor(2., dtype=torch.float64, requires_grad=True)")
    d.type("x = a * 3; y = x.sin() * x; z = y * a + y")
    found = paths(d, "a", "z")
    assert found.count == len(found.paths) == 5
    for path in found.paths:
        assert product(path) == pytest.approx(path.contribution)


# -- terms -----------------------------------------------------------------------------------------


LOSSES = """
w = torch.tensor([1., -2., 3.], requires_grad=True)
b = torch.tensor(0.5, requires_grad=True)
data = ((w * 2 + b) ** 2).mean()
penalty = w.abs().sum()
"""


@pytest.mark.parametrize(
    ("source", "weights"),
    [
        ("data + 0.1 * penalty", {"data": 1.0, "penalty": 0.1}),
        ("data - penalty / 4", {"data": 1.0, "penalty": -0.25}),
        ("sum([data, penalty, data])", {"data": 2.0, "penalty": 1.0}),
        ("torch.stack([data, penalty]).mean()", {"data": 0.5, "penalty": 0.5}),
        ("torch.add(data, -penalty, alpha=3) + 7", {"data": 1.0, "penalty": -3.0}),
        ("2 * (data + b) + penalty", {"data": 2.0, "b": 2.0, "penalty": 1.0}),
    ],
)
def test_terms_of_a_loss(d, source, weights):
    d.type(LOSSES)
    d.type(f"loss = {source}")
    found = d.look(p.TermsOf(root="loss"))
    assert {t.name: t.weight for t in found.terms} == pytest.approx(weights)
    assert (found.agrees, found.count, found.unlisted) == (True, 2, 0)
    for term in found.terms:
        if term.value is not None:
            assert term.value == pytest.approx(float(d.value(f"{term.name}.item()")))
        for row, norm in zip(term.rows, found.norms, strict=True):
            d.type(f"g = torch.autograd.grad({term.weight} * {term.name}, {row.parameter},"
                   "retain_graph=True, allow_unused=True)[0]")  # fmt: skip
            d.type(f"t = torch.autograd.grad(loss, {row.parameter}, retain_graph=True)[0]")
            assert norm == pytest.approx(float(d.value("t.norm().item()")))
            if row.norm is None:
                assert d.value("g") == "None"
                continue
            assert row.norm == pytest.approx(float(d.value("g.norm().item()")))
            cosine = "F.cosine_similarity(g.reshape(1, -1), t.reshape(1, -1)).item()"
            assert row.cosine == pytest.approx(float(d.value(cosine)), abs=1e-5)
    assert d.value("w.grad") == "None"


def test_a_loss_of_one_term(d):
    d.type(LOSSES)
    found = d.look(p.TermsOf(root="data"))
    assert [term.name for term in found.terms] == ["data"]
    assert "one term" in found.notes[0]


def test_a_weighed_term_with_a_name_is_taken_as_it_is(d):
    d.type("a = torch.tensor(2.0, requires_grad=True); b = a * 3; loss = 0.5 * (b * a + b)")
    found = d.look(p.TermsOf(root="loss"))
    assert [(term.name, term.weight) for term in found.terms] == [("mul", 0.5), ("b", 0.5)]
    assert found.agrees


def test_terms_of_a_thousand_additions(d):
    d.type(LOSSES)
    d.type("loss = sum((w * i).sum() for i in range(1000))")
    found = d.look(p.TermsOf(root="loss"))
    assert (len(found.terms), found.unlisted, found.agrees) == (24, 1000 - 24, True)


# -- rules and their check -------------------------------------------------------------------------


def test_a_rule_with_its_numbers(d):
    d.type(TWO_WAYS)
    found = d.look(p.RuleOf(what="L"))
    assert found.forward == "mul.Tensor(Tensor self, Tensor other) -> Tensor"
    assert [formula.input for formula in found.formulas] == ["self", "other"]
    assert (found.arriving, dict(found.saved)) == (
        "1, as if a backward started here", {"self": "6", "other": "4"},
    )  # fmt: skip
    assert [(g.to, g.gain, g.values) for g in found.gains] == [
        ("self (left)", 4.0, "4"), ("other (right)", 6.0, "6"),
    ]  # fmt: skip
    assert found.source.startswith("torch ")


def test_a_rule_at_a_stop(d):
    d.type(TWO_WAYS)
    d.type("L.backward(torch.tensor(10.))", stepped=True)
    d.until("node PowBackward0")
    found = d.look(p.RuleOf())
    assert (found.node, found.arriving) == ("#2 PowBackward0", "60")
    assert [(g.norm_in, g.norm_out, g.gain) for g in found.gains] == [(60.0, 240.0, 4.0)]
    assert d.look(p.RuleOf(what="#4")).formulas[0].text == "grad becomes .grad"


def test_rules_by_name(d):
    assert d.look(p.RuleOf(what="relu")).node == "ReluBackward0"
    assert d.look(p.RuleOf(what="F.gelu")).node == "GeluBackward0"
    assert "MulBackward1" in d.look(p.RuleOf(what="mul")).notes[0]
    assert "not a tensor, a node" in error(d, p.RuleOf(what="3"))


def test_the_rule_of_a_custom_function_is_its_backward(d, script):
    d.load(script("import torch\n" + FUNCTION + "\nx = torch.ones(2, requires_grad=True)\n"
                  "y = Twice.apply(x)\nz = y.sum()\n"))  # fmt: skip
    d.break_at("op sum")
    d.cont()
    found = d.look(p.RuleOf(what="y"))
    assert found.source == "train.py:9"
    assert "return 2 * grad" in found.code


def test_verify_the_op_where_we_stand(d):
    d.type("x = torch.randn(2, 3, requires_grad=True)")
    d.type("h = torch.tanh(x)", stepped=True)
    found = d.look(p.Verify())
    assert (found.what, found.passed) == ("tanh", True)
    assert [(c.input, c.elements, c.complete) for c in found.checks] == [("x", 36, True)]


def test_verify_shows_the_worst_element(d):
    d.type(FUNCTION.replace("2 * grad", "2 * grad + torch.tensor([0., 0., .5]) * grad"))
    d.type("x = torch.randn(3, requires_grad=True)")
    found = d.look(p.Verify(what="Twice.apply(x)"))
    assert not found.passed
    (check,) = found.checks
    assert (check.index, check.output_index) == ((2,), (2,))
    assert check.analytic == pytest.approx(2.5)
    assert check.numeric == pytest.approx(2)
    d.type("y = Twice.apply(x).sum()")
    d.type("y.backward()", stepped=True)
    d.until("node TwiceBackward")
    at_the_node = d.look(p.Verify())
    assert at_the_node.checks[0].index == (2,)
    d.cont()
    assert d.value("x.grad.tolist()") == "[2.0, 2.0, 2.5]"


def test_verify_nodes_by_what_they_saved(d):
    d.type("x = torch.randn(3, requires_grad=True); y = (x.sin() * x + x).sum()")
    d.type("y.backward()", stepped=True)
    names = []
    for _ in range(4):
        found = d.look(p.Verify())
        assert isinstance(found, model.Verified), found
        assert found.passed
        names.append(found.what)
        d.step()
    assert names == ["SumBackward0", "AddBackward0", "MulBackward0", "SinBackward0"]


def test_verify_makes_up_what_the_rule_does_not_need(d):
    d.type("x = torch.randn(3, requires_grad=True); y = (3 * x).sum()")
    d.type("y.backward()", stepped=True)
    d.step()
    found = d.look(p.Verify())
    assert (found.what, found.passed) == ("MulBackward0", True)
    assert found.notes[0].startswith("self was not saved")
    d.cont()
    d.type("y = x.exp().sum(); y.backward()", stepped=True)
    d.until("node ExpBackward0")
    assert "were not kept" in error(d, p.Verify())


def test_verify_a_module_and_its_parameters(d):
    d.type("m = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)); x = torch.randn(4, 3)")
    found = d.look(p.Verify(what="m(x)"))
    assert found.passed
    assert {c.input for c in found.checks} >= {"0.weight", "1.bias"}
    assert d.value("m[1].num_batches_tracked.item()") == "0"
    assert d.value("m[0].weight.grad") == "None"
    assert "random" in error(d, p.Verify(what="nn.Dropout(0.5)(x)"))
    assert "is not a call" in error(d, p.Verify(what="x"))
    assert "floating point" in error(d, p.Verify(what="torch.arange(3).sum()"))


def test_nothing_is_consumed(d):
    d.type("x = torch.randn(3, requires_grad=True); y = x.relu() * x; z = y.sum()")
    before = d.value("(torch.get_rng_state().sum().item(), x._version, y._version)")
    for request in (
        p.PathsTo(leaf="x", root="z"), p.AddendsOf(target="x", root="z"), p.TermsOf(root="z"),
        p.RuleOf(what="z"), p.Verify(what="F.gelu(x)"),
    ):  # fmt: skip
        assert not isinstance(d.look(request), model.Error)
    assert d.value("(torch.get_rng_state().sum().item(), x._version, y._version)") == before
    assert d.value("x.grad") == "None"
    assert d.value("(x.grad_fn, len(y.grad_fn.metadata))") == "(None, 0)"


TWICE = """
class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return SLOPE
"""


@pytest.mark.parametrize(
    ("slope", "passed", "checks", "note"),
    [
        ("g * 3 * x ** 2", True, 3, ""),
        ("g * 3 * x.detach() ** 2", False, 3, ""),
        ("g * 3 * x ** 2 + 0 * x.detach()", True, 3, ""),
        ("g.detach() * 3 * x ** 2", False, 3, ""),
        ("g * 2 * x ** 2", False, 1, ""),
        ("torch.autograd.function.once_differentiable(lambda c, g: g * 3 * x ** 2)(ctx, g)",
         True, 1, "its second derivative was not checked"),
    ],
)  # fmt: skip
def test_verify_a_functions_second_derivative(d, slope, passed, checks, note):
    d.type(TWICE.replace("SLOPE", slope) + "x = torch.tensor([1.0, -2.0], requires_grad=True)")
    found = d.look(p.Verify(what="Cube.apply(x)"))
    assert (found.passed, len(found.checks)) == (passed, checks)
    assert any(each.startswith(note) for each in found.notes)
    theirs = d.value("torch.autograd.gradgradcheck(Cube.apply, x.double(), raise_exception=False)")
    if checks == 3:
        assert theirs == str(passed)
        assert {each.output for each in found.checks[1:]} == {"first derivative by x"}
        assert {each.input for each in found.checks[1:]} == {"x", "the gradient that arrives"}


def test_verify_complex_numbers(d):
    d.type("""
class Times(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b
    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return (g * b, g * a) if wrong else (g * b.conj(), g * a.conj())
a, b = (torch.randn(3, dtype=torch.complex64, requires_grad=True) for _ in range(2))
x = torch.randn(3, requires_grad=True)
wrong = False
""")
    for call in ("Times.apply(a, b)", "Times.apply(a, a.conj())", "torch.mul(a, x)", "torch.abs(a)",
                 "torch.complex(x, x * 2)", "torch.fft.fft(x)"):  # fmt: skip
        found = d.look(p.Verify(what=call))
        assert isinstance(found, model.Verified), found
        assert found.passed, call
    assert found.checks[0].complete
    d.type("wrong = True")
    found = d.look(p.Verify(what="Times.apply(a, b)"))
    assert not found.passed
    assert "the last index is 0 for the real part" in " ".join(found.notes)


def test_addends_where_this_backward_has_freed_the_graph_above_start_where_we_stand(d):
    d.type("w = torch.ones(3, requires_grad=True); h = w.exp(); y = (h.sin() + h * h).sum()")
    d.type("y.backward()", stepped=True)
    d.until("node ExpBackward0")
    found = d.look(p.AddendsOf(target="w"))
    assert isinstance(found, model.Addends), found
    assert (found.count, found.agrees) == (1, True)
    assert "start where we stand" in found.notes[0]
    assert "has lost what it saved" in error(d, p.AddendsOf(target="h")), (
        "what arrived here is over"
    )
    d.cont()
