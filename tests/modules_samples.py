"""Hand-made records about one tensor, modules, Functions and graphs, for tests of the faces."""

from __future__ import annotations

from gradrepl import model

SITE = model.Site(file="/home/u/train.py", line=27, function="forward", text="h = self.act(z)")
HOOK = model.HookInfo(kind="forward hook", owner="[/b]log", place="train.py:3")
WEIGHT = model.ParameterRow(
    name="weight", path="fc1.weight", shape=(128, 784), dtype="float32", count=100352,
    requires_grad=True, grad="ok", norm=0.08, tied=("head.weight",), optimized="no",
)  # fmt: skip
RUNNING = model.ParameterRow(
    name="mean", path="bn.mean", shape=(4,), dtype="float32", count=4, buffer=True, persistent=False
)
TENSOR = model.Tensor(
    name="h", shape=(64, 128), dtype="float32", device="cpu", nbytes=32768, requires_grad=True,
    is_leaf=False, grad_fn="ReluBackward0", version=0, names=("h", "self.h"), stride=(128, 1),
    memory_format="contiguous", sequence=409,
    stats=model.Stats(norm=28.5, min=0.0, max=3.12, mean=0.41, nans=0, infs=0, zeros=4194),
    histogram=model.Histogram(low=0.0, high=3.12, counts=(8, 4, 1, 0), looked_at=13, total=8192),
    leaf_why="not a leaf: relu (train.py:27) computed it of tensors that require a gradient.",
    grad_state="none", grad_why="none: not a leaf, and ':retain h' keeps this one.",
    inputs=(model.Input(node="AddmmBackward0", label="z"),), storage="@3", storage_nbytes=32768,
    shares=("d",), hooks=(model.HookInfo(kind="hook", owner="clip", place="train.py:3"),),
    made_by=model.OpRef(id=4, name="relu", site=SITE, module="act"),
    used_by=(model.OpRef(id=5, name="mul_", site=SITE, wrote=True),), used_total=3,
)  # fmt: skip
MODULES = model.Modules(
    rows=(
        model.ModuleRow(
            path="MLP", name="MLP", kind="MLP", depth=0, total=100480, trainable=100480,
            children=2, grad="none", ran="ran", hooks=(HOOK,),
        ),
        model.ModuleRow(
            path="fc1", name="fc1", kind="Linear", depth=1, about="in_features=784", own=100480,
            total=100480, trainable=100352, training=False, grad="ok", ran="no op yet", hidden=2,
            parameters=(WEIGHT, RUNNING),
        ),
        model.ModuleRow(path="fc3", name="fc3", kind="Linear", depth=1, same_as="fc1"),
    ),
    total=5, roots=("MLP",), parameters=100480, trainable=100352, tensors=2, optimizers=("opt",),
    missed=("fc1.weight",), missed_total=1, unknown=1,
    strays=(model.Stray(name="layers[0].weight", shape=(3,), why="in a plain list of MLP"),),
)  # fmt: skip
FUNCTION = model.FunctionInfo(
    name="ScaleBackward", of="y", label="y", custom=True, kind="Scale", sequence=4, module="fc1",
    module_class="Linear", parameters=(WEIGHT,),
    nodes=(model.NodeRow(id=0, name="TBackward0", op=4, op_name="linear", site=SITE),),
    saved=(model.Saved(name="saved_tensors[0]", tensor=TENSOR),), attributes=(("k", "3.0"),),
    needs_input_grad=(True, False), forward_source="def forward(ctx, x):\n    return x",
    backward_source="def backward(ctx, g):\n    return g", source_site=SITE,
)  # fmt: skip
GRAPH = model.GraphView(
    root="loss", first=0, total=9, nodes=40, edges=44, leaves=4, saved_nbytes=4096, depth=1,
    rows=(
        model.NodeRow(
            id=1, lanes="○─╮", name="MulBackward0", label="loss", op=4, op_name="mul", site=SITE,
            state="here", norm=1.0, saved=("self (3,) v0",), saved_nbytes=12, to=(2,),
        ),
        model.NodeRow(id=2, lanes="○ │", name="Linear", label="fc1", module="fc1", nodes=4),
    ),
)  # fmt: skip
SAMPLES: list[model.Record] = [TENSOR, MODULES, FUNCTION, GRAPH]
