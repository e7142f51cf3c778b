"""What is known of one tensor, modules, Functions and graphs as text."""

from __future__ import annotations

import msgspec
from modules_samples import FUNCTION, GRAPH, MODULES, TENSOR

from gradrepl import draw, model
from gradrepl.draw import Look


def lines(record: model.Record, look: Look = Look()) -> list[str]:  # noqa: B008
    return draw.text(record, look).splitlines()


def test_a_tensor() -> None:
    assert lines(TENSOR) == [
        "tensor: h",
        "also: self.h",
        "shape: (64, 128)",
        "dtype: float32 on cpu, 32.0 KiB",
        "requires_grad: yes",
        "leaf: no: relu (train.py:27) computed it of tensors that require a gradient.",
        "grad_fn: ReluBackward0, number 409",
        "  input 0: AddmmBackward0  z",
        "version: 0",
        "layout: strided, stride (128, 1), offset 0, contiguous",
        "storage: @3, 32.0 KiB, shared with d",
        "statistics: min 0  max 3.12  mean 0.41  norm 28.5  zero 51.2%",
        "histogram: 0 |█▄▁ | 3.12  (13 of 8,192 elements)",
        "grad: none: not a leaf, and ':retain h' keeps this one.",
        "made by: %4 relu  in act  train.py:27  h = self.act(z)",
        "hook: clip  train.py:3",
        "used by: %5 mul_  train.py:27  h = self.act(z), which wrote to it",
        "used by: 2 ops before these",
    ]


def test_the_histogram_in_other_looks() -> None:
    def drawn(look: Look) -> str:
        return next(line for line in lines(TENSOR, look) if line.startswith("histogram"))

    plain = drawn(Look(plain=True))
    assert plain == "histogram: from 0 to 3.12: 8 4 1 0  (13 of 8,192 elements)"
    ascii_only = drawn(Look(ascii=True))
    assert ascii_only == "histogram: 0 |#=_ | 3.12  (13 of 8,192 elements)"


def test_modules() -> None:
    assert lines(MODULES) == [
        "  MLP             MLP                      100,480  no grad",
        "    forward hook  [/b]log  train.py:3",
        "    fc1           Linear(in_features=784)  100,480  grad ok            "
        "eval, no op yet, 2 modules folded",
        "      weight      (128, 784) f32           100,352  grad ok  |g| 0.08  "
        "tied to head.weight, in no optimizer",
        "      mean        (4,) f32                                             "
        "buffer, not in the state_dict",
        "    fc3           Linear                                               "
        "the same module as fc1",
        "1-3 of 5 modules",
        "100,480 parameters in 2 tensors, 128 of them frozen",
        "not in opt: fc1.weight",
        "opt has 1 tensor that nothing in scope has",
        "layers[0].weight (3,) is in no module: in a plain list of MLP",
        "which modules have run is not known: no op of theirs was recorded",
    ]
    assert lines(msgspec.structs.replace(MODULES, recorded=True, total=3))[6].startswith("100,480")


def test_a_function_beside_its_module() -> None:
    assert lines(FUNCTION)[:3] == [
        "function: ScaleBackward  of y",
        "kind: a Function of your own, Scale",
        "number: 4",
    ]
    assert lines(FUNCTION)[5:] == [
        "ctx.k: 3.0",
        "needs_input_grad: 0: yes  1: no",
        "fc1 is a Module: it keeps weights",
        "  weight  (128, 784) f32  grad ok  tied to head.weight, in no optimizer",
        "its call made these Functions: they keep none",
        "  TBackward0  %4 linear  train.py:27",
        "forward",
        "  def forward(ctx, x):",
        "      return x",
        "backward",
        "  def backward(ctx, g):",
        "      return g",
    ]


def test_a_graph() -> None:
    assert lines(GRAPH) == [
        "> ○─╮  #1  MulBackward0  loss            %4  train.py:27  |g| 1  "
        "saved 12 B: self v0  here",
        "  ○ │  #2  Linear        fc1  (4 nodes)",
        "1-2 of 9 rows",
        "graph of loss: 40 nodes and 4 leaves, 44 edges, 4.0 KiB saved, modules folded at depth 1",
        "its forward was not recorded: modules and lines are not known",
    ]
    many = msgspec.structs.replace(GRAPH, total=None, recorded=True, depth=None)
    assert lines(many)[2:] == [
        "1-2 of many rows",
        "graph of loss: 40 nodes and 4 leaves, 44 edges, 4.0 KiB saved",
    ]
    none = msgspec.structs.replace(GRAPH, total=0, recorded=True, pattern="x", rows=())
    assert lines(none)[:2] == ["none", "no rows with 'x'"]
