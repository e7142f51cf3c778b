"""Hand-made rows of graphs for the tests of files, with names that no format likes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gradrepl import model
from gradrepl.export.files import Graph, Ops, Rows, Time

NASTY = "<b>&\"'\\ ]]> --> \n%% end `x` é 中 🙂 \x07 #1; {}|"
SITE = model.Site(file="/x/tr<a>in.py", line=27, function="f", text='h = g("<&>")  # \\n "')


def nodes(edges: Sequence[Sequence[int]], **more: Any) -> list[model.NodeRow]:
    """Return nodes 1, 2, ... with edges to these; those without any are leaves."""
    return [
        model.NodeRow(
            id=number, name="MulBackward0" if to else "AccumulateGrad", leaf=not to,
            label="" if to else f"p{number}", to=tuple(to), inputs=(0,) * len(to),
            **{name: values[number - 1] for name, values in more.items()},
        )
        for number, to in enumerate(edges, 1)
    ]  # fmt: skip


def graph(found: Iterable[model.NodeRow], **about: Any) -> Graph:
    rows = Rows(model.NodeRow)
    listed = tuple(found)
    for at in range(0, len(listed), 7):  # in parts, as they come
        rows.add(listed[at : at + 7])
    taken = model.Taken(
        serial=1, what="graph", of=about.pop("of", "loss"), total=len(listed),
        edges=sum(bool(to) for node in listed for to in node.to),
        leaves=sum(node.leaf for node in listed), recorded=about.pop("recorded", True), **about,
    )  # fmt: skip
    return Graph(taken, rows)


def nasty() -> Graph:
    """Return a graph whose every word is a trap."""
    return graph(
        [
            model.NodeRow(
                id=1, name=f"My{NASTY}Backward", label=NASTY, module=f"net.{NASTY}", op=4,
                op_name=NASTY, site=SITE, sequence=7, shape=(2, 3), to=(2, 0, 3), inputs=(0, 0, 1),
                state="here", order=1, norm=float("nan"), problem="nan", saved=(NASTY,),
                begin=12.5, seconds=1e-5, thread=9, run=1,
            ),
            model.NodeRow(
                id=2, name="MulBackward0", module=f"net.{NASTY}", to=(3, 3), inputs=(0, 0),
                shape=(), norm=float("inf"), problem="inf", state="predicted",
            ),
            model.NodeRow(
                id=3, name="AccumulateGrad", label=f"net.{NASTY}.weight", leaf=True, norm=2.5,
                module=f"net.{NASTY}", problem="changed in place", shape=(3,),
            ),
        ],
        of=NASTY, kinds=(("net", "Net"), (f"net.{NASTY}", NASTY)),
    )  # fmt: skip


def op(number: int, begin: float, seconds: float, **more: Any) -> model.OpRow:
    return model.OpRow(id=number, name="mul", begin=begin, seconds=seconds, **more)


def time() -> Time:
    """Return two ops, and the three nodes of a pass: two made by them."""
    ops = [
        op(4, 10.0, 0.25, site=SITE, outputs=((2,),), dtype="float32", sequence=(0, 1),
           module=NASTY),
        op(5, 10.5, 0.125, sequence=(1, 2)),
    ]  # fmt: skip
    took = [
        model.NodeRow(id=1, name="A", op=5, begin=11.0, seconds=0.5, thread=77, run=3, order=1),
        model.NodeRow(
            id=2, name="B", op=4, begin=11.5, seconds=0.25, thread=77, run=3, norm=float("inf")
        ),
        model.NodeRow(id=3, name="AccumulateGrad", begin=11.75, seconds=0.1, thread=78, run=3),
    ]
    return Time(Rows(model.OpRow, ops), Rows(model.NodeRow, took))


def ops() -> Ops:
    rows = [
        op(
            1, 1.0, 0.5, changed=("input 0: v0 -> v1",), mode="no_grad", site=SITE, outputs=((),)
        ),
        op(2, 2.0, 0.5, module=NASTY, sequence=(3, 5)),
    ]  # fmt: skip
    about = model.Taken(serial=1, what="ops", total=2, first=1)
    return Ops(about, Rows(model.OpRow, rows))


SAMPLES: list[model.Record] = [
    graph(nodes([(2,), ()])).about,
    model.Nodes(rows=tuple(nodes([(2,), ()])), first=0, total=2, run=0),
    model.Ops(rows=(op(1, 1.0, 0.5),), first=0, total=1),
    model.Exporters(
        rows=(model.ExporterInfo(name="svg", of="graph", suffix=".svg", help="a picture"),)
    ),
    model.Exported(
        path="x.svg", kind="svg", of="the graph of loss", rows=3012, nbytes=91_400, seconds=0.2,
        note="folded by module: 3,012 nodes in 180 boxes",
    ),
]  # fmt: skip
