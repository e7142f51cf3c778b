"""Records as text: golden lists, plain and ASCII looks, and text that is never markup."""

import io

import pytest
from chain_samples import SAMPLES as CHAIN
from data_samples import SAMPLES as DATA
from export_samples import SAMPLES as EXPORT
from health_samples import SAMPLES as HEALTH
from memory_samples import SAMPLES as MEMORY
from modules_samples import SAMPLES as MODULES
from plugin_samples import SAMPLES as PLUGINS
from rich.console import Console
from rich.segment import Segment

from gradrepl import draw, model
from gradrepl.draw import Look
from gradrepl.draw.numbers import number, size
from gradrepl.launch import Options
from gradrepl.repl.output import Output, painted

PLAIN = Look(plain=True)
SITE = model.Site(file="/home/u/train.py", line=27, function="forward", text="h = self.act(z)")
STATS = model.Stats(norm=28.5, min=0.0, max=3.12, mean=0.41, nans=0, infs=0, zeros=4194)


def tensor(**more):
    facts = {"shape": (64, 128), "dtype": "float32", "device": "cpu", "nbytes": 32768}
    facts |= {"requires_grad": True, "is_leaf": False, "grad_fn": "ReluBackward0", "version": 0}
    return model.TensorInfo(**{**facts, "stats": STATS, **more})


SCALAR = tensor(shape=(), stats=model.Stats(norm=2.5, min=2.5, max=2.5, mean=2.5, nans=0))
OP = model.Op(id=4, name="relu", site=SITE, module="act", outputs=(tensor(name="h"),))
NODE = model.Node(
    id=3, name="AddmmBackward0", label="fc2", site=SITE, rule="derivative of addmm",
    grad_in=(tensor(shape=(64, 10), stats=model.Stats(norm=0.14, nans=2)), None),
    edges=(model.Edge(4, 0, "fc2.bias"), model.Edge(5, 0, "#5 ReluBackward0")),
    saved=(model.Saved(name="mat1", tensor=tensor(stats=None, version=1),
                       state="changed in place"),),
)  # fmt: skip
FORWARD = model.Stop(phase="forward", reason="step", site=SITE, module="act", op=OP, position=4)
BACKWARD = model.Stop(
    phase="backward", reason="breakpoint 1: node Addmm*", site=SITE, when="before", node=NODE,
    position=3, total=11, watches=(model.Watch("loss", "2.3", was="2.5"),),
)  # fmt: skip
EXCEPTION = model.Stop(
    phase="exception", reason="ValueError: no", site=SITE, exception="ValueError: no"
)


def lines(record, look=Look()):  # noqa: B008
    return draw.text(record, look).splitlines()


def test_a_forward_stop_is_one_line():
    assert lines(FORWARD) == [
        "● %4 relu  h  (64, 128) f32  train.py:27  h = self.act(z)  min 0  max 3.12  mean 0.41"
        "  norm 28.5  zero 51.2%  in act"
    ]


def test_a_forward_stop_in_plain_words():
    assert lines(FORWARD, PLAIN) == [
        "stopped: after op %4 relu",
        "why: step",
        "line: train.py:27  h = self.act(z)",
        "module: act",
        "output 0: h  (64, 128) f32  min 0  max 3.12  mean 0.41  norm 28.5  zero 51.2%",
    ]


def test_a_backward_stop():
    assert lines(BACKWARD) == [
        "● #3/11 AddmmBackward0 fc2  in |g| 0.14  nan 2 !  breakpoint 1: node Addmm*  train.py:27",
        "    in   (64, 10) f32  norm 0.14  nan 2 !",
        "    in   none",
        "    out  to fc2.bias",
        "    out  to #5 ReluBackward0",
        "  loss = 2.3  (was 2.5)",
    ]


def test_a_backward_stop_in_plain_words():
    assert lines(BACKWARD, PLAIN)[:4] == [
        "stopped: before node #3 AddmmBackward0 fc2, number 3 of 11",
        "why: breakpoint 1: node Addmm*",
        "line: train.py:27  h = self.act(z)",
        "grad_in[0]: (64, 10) f32  norm 0.14  nan 2 !",
    ]


def test_an_exception_is_told_once():
    assert lines(EXCEPTION) == ["! train.py:27  ValueError: no  h = self.act(z)"]


def test_a_node_tells_about_saved_tensors_that_have_changed():
    assert lines(NODE)[-1] == "saved mat1: (64, 128) f32  version 1  ! changed in place"


def test_one_number_is_shown_as_a_number():
    record = msgspec_replace(FORWARD, op=msgspec_replace(OP, outputs=(SCALAR,)))
    assert "() f32  train.py:27  h = self.act(z)  = 2.5  in act" in lines(record)[0]


def msgspec_replace(record, **more):
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return type(record)(**{**fields, **more})


def test_a_tensor_in_full():
    assert lines(tensor(name="h", is_view=True, stride=(128, 1))) == [
        "tensor: h",
        "shape: (64, 128)",
        "dtype: float32 on cpu, 32.0 KiB",
        "requires_grad: yes",
        "leaf: no",
        "grad_fn: ReluBackward0",
        "version: 0",
        "layout: a view, strided, stride (128, 1), offset 0",
        "statistics: min 0  max 3.12  mean 0.41  norm 28.5  zero 51.2%",
        "grad: None",
    ]


RECORDS = [
    *CHAIN, *DATA, *EXPORT, *HEALTH, *MEMORY, *MODULES, *PLUGINS,
    FORWARD, BACKWARD, EXCEPTION, OP, NODE, tensor(), SCALAR,
    model.Comparison(a="x", b="[/b]", shape=(3,), equal=False, close=False, elements=3,
                     different=2, max_difference=5.0, index=(1,), at=("0", "-5"), norm=5.8,
                     relative=1.0, cosine=0.5, notes=("dtype float32 and float64",)),
    model.Pass(outcome="aborted", nodes_run=3, total=11, root="loss", accumulated_count=9,
               accumulated=(model.Accumulated("fc.weight", 0.5, (3,)),)),
    model.Value(text="[/b] 5"),
    model.Frames(frames=(model.Frame(0, SITE, "act", True), model.Frame(1, SITE)),
                 path=("#1 NllLossBackward0", "#3 AddmmBackward0")),
    model.Source(file="train.py", function="f",
                 lines=(model.SourceLine(27, "h = x", here=True, note="h ()"),)),
    model.Ops(rows=(model.OpRow(id=4, name="relu", outputs=((64,),), dtype="float32", module="act",
                                site=SITE),), first=0, total=9),
    model.Nodes(rows=(model.NodeRow(id=3, name="AddmmBackward0", label="fc2", state="here",
                                    norm=0.1, shape=(3,), lanes="◉─╮"),),
                first=2, total=11, run=2),
    model.Variables(rows=(model.Variable("x", "Tensor (3,)", "Tensor"),), total=7),
    model.BreakpointInfo(id=1, text="op relu", temporary=True, hits=2, ignore=1,
                         commands=("p x", "c"), enabled=False),
    model.Breakpoints(rows=()),
    model.Completions(words=("a", "b")),
    model.Notice(message="done."),
    model.Cost(seconds=0.28, total=0.3, steps=9, parts=(("ops (b nan)", 0.26), ("nodes", 0.02))),
    model.Text(title="help", body="a\nb"),
    model.Error(message="no.", hint="do this."),
    model.Ended(code=3, script="/x/train.py"),
    model.Gone(how="killed by SIGKILL", code=-9),
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_every_record_has_a_form_of_its_own(record):
    assert draw.text(record).strip()
    assert draw.drawing.dispatch(type(record)) is not draw.drawing.dispatch(object)
    assert draw.text(record, Look(ascii=True)).isascii()


def test_every_kind_of_record_is_in_the_list():
    assert {type(record) for record in RECORDS} == set(model.AnyRecord.__args__)


def test_a_table_is_aligned_and_a_findings_text_is_taken_as_it_is():
    _, table, _, findings = PLUGINS
    assert lines(table) == [
        "rank 2", "     singular value", "  0  5.648", "  1", "the last 2 are left out",
    ]  # fmt: skip
    assert lines(findings) == [
        "! y was overwritten [/b].", "    by add_", "    Do not.", "    a.py:3  y += 1",
        "looked at: memory in scope",
    ]  # fmt: skip


def test_a_strangers_record_shows_its_fields():
    class Mine(model.Record, frozen=True, kw_only=True):
        weight: int

    assert lines(Mine(weight=3)) == ["type: Mine", "weight: 3"]


def test_plain_has_no_colour_and_the_other_look_has():
    def styled(look):
        text = painted(draw.lines(BACKWARD, look), colour=not look.plain)
        console = Console(file=io.StringIO(), force_terminal=True, color_system="standard")
        segments = console.render(text)
        return any(segment.style for segment in Segment.strip_links(segments) if segment.text)

    assert (styled(Look()), styled(PLAIN)) == (True, False)


@pytest.mark.parametrize("text", ["[/b]", "[red]x[/red]", ":smile:", "\\[b]", "[link=x]y"])
def test_text_is_never_markup(text, capsys):
    output = Output(Options(color=False))
    site = model.Site(file="x.py", line=1, function="f", text=text)
    for record in (
        model.Value(text=text), model.Notice(message=text), model.Error(message=text, hint=text),
        model.Text(title=text, body=text), model.BreakpointInfo(id=1, text=text),
        msgspec_replace(FORWARD, site=site, op=msgspec_replace(OP, site=site, name=text)),
    ):  # fmt: skip
        output.show(record)
        assert text in capsys.readouterr().out


def test_errors():
    assert lines(model.Error(message="there is none.", hint="Make one.")) == [
        "Error: there is none.", "  Make one.",
    ]  # fmt: skip
    trace = 'Traceback:\n  File "x.py", line 1\nValueError: no\n'
    user = model.Error(message="ValueError: no", kind="ValueError", traceback=trace)
    assert lines(user) == trace.splitlines()
    assert lines(msgspec_replace(user, traceback="")) == ["ValueError: no"]


def test_a_comparison_says_where():
    found = next(each for each in RECORDS if isinstance(each, model.Comparison))
    assert lines(found) == [
        "compared: x and [/b], (3,)", "different: 2 of 3 elements",
        "largest difference: 5 at [1]: 0 and -5", "norm of the difference: 5.8, 1 of [/b]",
        "cosine: 0.500000", "torch.allclose: no", "but: dtype float32 and float64",
    ]  # fmt: skip
    same = msgspec_replace(found, equal=True, notes=())
    assert lines(same)[1:] == ["equal: every element is the same"]


def test_breakpoints_say_how_they_stand():
    (record,) = (each for each in RECORDS if isinstance(each, model.BreakpointInfo))
    assert lines(record) == [
        "○ Breakpoint 1: op relu  (disabled, once, hit 2 times, ignored 1 more time, runs p x ;; c)"
    ]


def test_numbers():
    assert [number(n) for n in (None, 0.0, 1234567.0, 1e-9, float("nan"), -2.5, 0.34061)] == [
        "-", "0", "1.235e6", "1e-9", "nan", "-2.5", "0.3406",
    ]  # fmt: skip
    assert [size(n) for n in (0, 1023, 1024, 1 << 30, 1 << 40)] == [
        "0 B", "1023 B", "1.0 KiB", "1.0 GiB", "1024.0 GiB",
    ]  # fmt: skip
    assert SITE.place == "train.py:27"
