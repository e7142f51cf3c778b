"""Records of watched training, one of each kind and more, for tests of what is drawn of them."""

import math

from gradrepl import model

NAN = float("nan")
HEAD = model.HealthRow(
    name="head.weight", shape=(10, 64), numel=640, verdict="nan", label="NaN @118",
    why="640 NaN of 640 elements; not finite since backward 118.", since=118, norm=NAN,
    min=NAN, max=NAN, zeros=0, nans=640, figures_at=118, weight_norm=2.0, ratio=NAN,
    update=2.5e-3, update_of=640, update_steps=1, history=(1e-3, 1e-2, 0.1, 1.0, NAN),
    depth=0, reached_at=118, optimizer="AdamW", lr=3e-4,
)  # fmt: skip
ENC = model.HealthRow(
    name="enc.weight", also=("dec.weight",), shape=(512, 784), numel=401408,
    verdict="vanishing", label="vanishing", why="|g| 3.1e-09 is below health.vanishing 1e-07.",
    limit="vanishing", since=7, norm=3.1e-9, min=-1e-9, max=1e-9, zeros=8028, figures_at=118,
    weight_norm=16.0, ratio=1.9e-10, update=4e-9, update_of=4100, update_steps=1,
    history=(1e-3, 1e-5, 1e-7, 3.1e-9), depth=1, reached_at=118,
    where=("Most at #12 SigmoidBackward0 between enc and mid.",), spread=((-12.0, 3), (-11.0, 9)),
)  # fmt: skip
BIAS = model.HealthRow(
    name="enc.bias[/b]", shape=(512,), numel=512, verdict="no grad", label="no grad",
    why="its gradient is None after 118 backwards.", since=1, history=(None, None),
)  # fmt: skip
FINE = model.HealthRow(
    name="mid.weight", shape=(64, 64), numel=4096, verdict="ok", label="ok", norm=0.022,
    history=(0.02, 0.0, 0.022), depth=2, reached_at=118, zeros=41,
)  # fmt: skip
TIMING = model.Timing(
    steps=40, data=0.071, forward=0.01, backward=0.012, optimizer=0.006, watching=0.001,
    total=0.1, closures=True, verdict="loader-bound: 71% of the step is waiting for data.",
)  # fmt: skip
WATCHING = model.Watching(grads=True, nodes=True, statistics=True, every=10)
HEALTH = model.Health(
    watching=WATCHING, rows=(HEAD, ENC, BIAS, FINE), total=4, problems=3, backwards=118, steps=117,
    points=(model.HealthPoint(backward=118, total=0.041, loss=2.3, models="net"),),
    clipping=(model.Clipping(how="norm", limit=1.0, calls=117, hit=3),),
    depths=(model.Depth(name="head.weight", norm=NAN, verdict="nan"),),
    timing=TIMING, scale=65536.0, skipped=2, optimizers=("AdamW lr 0.0003",),
)  # fmt: skip
NODES = model.HealthNodes(
    rows=(
        model.NodeRow(id=1, name="DivBackward0", norm=1.0, min=1.0, max=1.0, verdict="ok"),
        model.NodeRow(id=2, name="AccumulateGrad", label="head.bias", norm=math.inf,
                      min=0.0, max=math.inf, infs=4, verdict="inf"),
    ),
    total=9, backward=118, problems=1, statistics=True,
    bad=model.NodeRow(id=2, name="AccumulateGrad", label="head.bias", norm=math.inf, infs=4,
                      verdict="inf"),
)  # fmt: skip
CHANGE = model.VerdictChange(
    name="head.weight", verdict="nan", label="NaN @118", was="ok", backward=118,
    why="640 NaN of 640 elements; not finite since backward 118.",
)  # fmt: skip
SAMPLES = [
    HEALTH, NODES, WATCHING, model.HealthLimits(),
    model.Verdicts(changes=(CHANGE,), total=3),
    model.Health(watching=WATCHING),
    model.Health(watching=WATCHING, rows=(HEAD,), total=1, more=True),
]  # fmt: skip
