"""Typed conditions: what each spelling means, when it holds, and what is refused."""

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradrepl import conditions as c
from gradrepl.conditions import LINE, NODE, OP, PASS, parse
from gradrepl.errors import ConditionError, UsageError


@dataclass
class Happening:
    """An event by hand."""

    kind: str = OP
    when: str = "after"
    number: int = 5
    name: str = "relu"
    module: str = "encoder.0"
    names: tuple = ()
    into: str = ""
    sizes: tuple = ()
    magnitudes: tuple = ()
    births: tuple = ()
    without: tuple = ()
    truths: dict = field(default_factory=dict)
    line: int = 27

    def at(self, file, line):
        return line == self.line and file in ("", "train.py")

    def inside(self, function):
        return function == "forward"

    def labels(self):
        return self.names

    def leaf(self):
        return self.into

    def leaf_names(self):
        return (self.into,) if self.into else ()

    def module_paths(self):
        return (self.module,)

    def shapes(self):
        return self.sizes

    def norms(self):
        return self.magnitudes

    def born(self, what):
        return what in self.births

    def missing(self):
        return self.without

    def evaluate(self, expression):
        return self.truths[expression]

    def deeper(self):
        return False

    def trivial(self):
        return self.name == "AccumulateGrad"

    def left_module(self):
        return False

    def past_line(self):
        return self.line > 30


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("27", c.Line("", 27)),
        ("train.py:27", c.Line("train.py", 27)),
        ("C:/x y/train.py:27", c.Line("C:/x y/train.py", 27)),
        ("forward", c.InFunction("forward")),
        ("op addmm", c.OpIs("addmm")),
        ("op conv*", c.OpIs("conv*")),
        ("node Addmm*", c.NodeIs("Addmm*")),
        ("mod encoder.0", c.InModule("encoder.0")),
        ("module encoder", c.InModule("encoder")),
        ("leaf fc1.weight", c.LeafIs("fc1.weight")),
        ("name h", c.Named("h")),
        ("nan", c.NonFinite("nan")),
        ("inf", c.NonFinite("inf")),
        ("none", c.NoGradient()),
        ("norm > 10", c.NormIs(10.0)),
        ("norm>1e-3", c.NormIs(1e-3)),
        ("norm < 1e-7", c.NormIs(1e-7, below=True)),
        ("grad-norm > 10", c.NormIs(10.0)),
        ("shape (64, -1)", c.ShapeIs((64, -1))),
        ("shape(3,)", c.ShapeIs((3,))),
        ("shape ()", c.ShapeIs(())),
        ("op relu, i > 3", c.Both(c.OpIs("relu"), c.Where("i > 3"))),
        ("27, f(a, b)[0] == ','", c.Both(c.Line("", 27), c.Where("f(a, b)[0] == ','"))),
        ("op relu or op gelu", c.Either(c.OpIs("relu"), c.OpIs("gelu"))),
        ("op linear and norm > 3", c.Both(c.OpIs("linear"), c.NormIs(3.0))),
        (
            "op a and mod b or nan, x",
            c.Both(
                c.Either(c.Both(c.OpIs("a"), c.InModule("b")), c.NonFinite("nan")), c.Where("x")
            ),
        ),
    ],
)
def test_spellings(text, condition):
    assert parse(text) == condition


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "needs a place or a condition"),
        (", x > 3", "needs a place or a condition"),
        ("op", "'op' needs a word after it"),
        ("norm 3", "'norm 3' is not a limit"),
        ("norm > ten", "not a limit"),
        ("shape (a, b)", "not a shape"),
        ("shape 1 2", "not a shape"),
        ("1 +* 2", "not a place or a condition"),
        ("op relu, x >", "not a Python expression"),
        ("leaf w and 27", "can never hold"),
        ("op relu and node Relu*", "can never hold"),
        ("op relu and", "not a place or a condition"),
    ],
)
def test_what_is_refused_with_a_hint(text, words):
    with pytest.raises(ConditionError, match=words) as caught:
        parse(text)
    assert caught.value.hint
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("text", "event", "holds"),
    [
        ("op relu", Happening(), True),
        ("op re*", Happening(), True),
        ("op Relu", Happening(), False),
        ("op relu", Happening(kind=NODE), False),
        ("node ReluBackward", Happening(kind=NODE, name="ReluBackward0"), True),
        ("node ReluBackward0", Happening(kind=NODE, name="ReluBackward0"), True),
        ("node Relu*", Happening(kind=NODE, name="ReluBackward0"), True),
        ("node Re", Happening(kind=NODE, name="ReluBackward0"), False),
        ("mod encoder", Happening(), True),
        ("mod enc", Happening(), False),
        ("mod encoder.1", Happening(), False),
        ("leaf fc.*", Happening(into="fc.bias"), True),
        ("leaf *", Happening(), False),
        ("name h", Happening(names=("h",)), True),
        ("nan", Happening(births=("nan",)), True),
        ("inf", Happening(births=("nan",)), False),
        ("none", Happening(kind=PASS, without=("w",)), True),
        ("none", Happening(kind=PASS), False),
        ("norm > 3", Happening(magnitudes=(1.0, 4.0)), True),
        ("norm > 3", Happening(magnitudes=(float("nan"),)), True),
        ("norm > 3", Happening(magnitudes=(3.0,)), False),
        ("norm < 3", Happening(magnitudes=(float("nan"),)), False),
        ("shape (64, -1)", Happening(sizes=((64, 10),)), True),
        ("shape (64, -1)", Happening(sizes=((64,), (1, 64))), False),
        ("27", Happening(), True),
        ("other.py:27", Happening(), False),
        ("forward", Happening(), True),
        ("op relu, i > 3", Happening(truths={"i > 3": True}), True),
        ("op relu, i > 3", Happening(truths={"i > 3": False}), False),
        ("op gelu, i > 3", Happening(), False),  # not asked where the condition does not hold
        ("op gelu or op relu", Happening(), True),
        ("op relu and mod decoder", Happening(), False),
    ],
)
def test_when_it_holds(text, event, holds):
    assert parse(text).matches(event) is holds


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("op relu", {OP}), ("27", {LINE}), ("node X*", {NODE}), ("leaf w", {NODE}),
        ("nan", {OP, NODE}),
        ("norm > 3", {NODE}), ("op linear and norm > 3", {OP}), ("none", {PASS}),
        ("mod a", {OP, NODE}), ("op relu or leaf w", {OP, NODE}), ("leaf w, x", {NODE}),
    ],
)  # fmt: skip
def test_what_it_is_about(text, kinds):
    assert parse(text).events() == kinds


def test_which_side_it_looks_at():
    assert parse("27").sides(LINE) == {"before"}
    assert parse("op relu").sides(OP) == {"after"}
    assert parse("node X*").sides(NODE) == {"before"}
    assert parse("nan").sides(NODE) == {"before", "after"}


def test_a_word_that_begins_like_a_kind_may_name_a_function():
    assert parse("normalize") == c.InFunction("normalize")
    assert parse("shapes") == c.InFunction("shapes")


def test_what_a_plugins_kind_cannot_read_is_refused_with_its_usage():
    class Louder(c.Kind, frozen=True):
        word, usage = "louder", "louder X"
        limit: float

    c.enter(Louder, "a plugin")
    try:
        assert parse("louder 3") == c.Plugged("louder", "3")
        with pytest.raises(ConditionError, match="'louder x' is not understood") as caught:
            parse("louder x")
        assert caught.value.hint == "Write: b louder X"
    finally:
        c.leave("a plugin")


def test_verbs():
    assert c.Next().matches(Happening())
    assert not c.Next().matches(Happening(kind=NODE, name="AccumulateGrad"))
    assert c.Until(number=5).matches(Happening(kind=NODE))
    assert not c.Until(number=6).matches(Happening(kind=NODE))
    assert c.Until().matches(Happening(line=31))
    assert not c.Continue().matches(Happening())
    assert c.UntilCondition(parse("op relu")).matches(Happening())


NAMES = st.text("abc_XY.*0", min_size=1, max_size=6)
CONDITIONS = st.recursive(
    st.one_of(
        st.builds(c.OpIs, NAMES),
        st.builds(c.InModule, NAMES),
        st.builds(c.NormIs, st.floats(allow_nan=False), st.booleans()),
        st.builds(c.Line, NAMES, st.integers(0, 9999)),
        st.builds(c.ShapeIs, st.lists(st.integers(-1, 9)).map(tuple)),
    ),
    lambda inner: st.one_of(
        st.builds(c.Both, inner, inner),
        st.builds(c.Either, inner, inner),
        st.builds(c.Both, inner, st.builds(c.Where, NAMES)),
    ),
    max_leaves=6,
)


@given(CONDITIONS)
def test_conditions_survive_the_wire(condition):
    data = msgspec.msgpack.encode(condition)
    assert msgspec.msgpack.decode(data, type=c.Condition) == condition


@given(st.text(max_size=30))
def test_any_text_is_a_condition_or_a_sentence(text):
    try:
        parse(text)
    except ConditionError as error:
        assert str(error).endswith(".")  # noqa: PT017
