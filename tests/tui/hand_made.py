"""A conversation made by hand: an MLP's forward and backward, without a debuggee."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gradrepl import model, protocol
from gradrepl.launch import Options
from gradrepl.model import Accumulated, Edge, NodeRow, OpRow, Saved, Site, Stats, TensorInfo

FILE = "/home/me/train.py"
LINES = [
    (24, "    def forward(self, x):"),
    (25, "        x = self.flatten(x)"),
    (26, "        z = self.fc1(x)"),
    (27, "        h = self.act(z)"),
    (28, "        return self.fc2(h)"),
    (29, ""),
    (30, "loss = F.cross_entropy(model(x), y)"),
    (31, "loss.backward()"),
]


def site(line: int) -> Site:
    return Site(FILE, line, "MLP.forward", dict(LINES).get(line, "pass").strip())


def info(name: str, shape: tuple[int, ...], **more: object) -> TensorInfo:
    count = 1
    for size in shape:
        count *= size
    values = {
        "dtype": "float32", "device": "cpu", "requires_grad": True, "is_leaf": False, "version": 0,
        "nbytes": 4 * count,
    } | more  # fmt: skip
    return TensorInfo(name=name, shape=shape, **values)


STATS = Stats(norm=54.2, min=0.0, max=3.12, mean=0.412, nans=0, infs=0, zeros=4194)
OPS = [
    ("flatten", (64, 784), "flatten", 25),
    ("linear", (64, 128), "fc1", 26),
    ("relu", (64, 128), "act", 27),
    ("linear", (64, 10), "fc2", 28),
    ("cross_entropy", (), "", 30),
]
NODES = [
    ("NllLossBackward0", "", "○", (), 1.0),
    ("LogSoftmaxBackward0", "", "○", (64, 10), 1.6e-2),
    ("AddmmBackward0", "fc2", "◉─┬─╮", (64, 10), 1.4e-1),
    ("AccumulateGrad", "fc2.bias", "◇ │ │", (10,), None),
    ("TBackward0", "fc2", "  │ ○", (128, 10), None),
    ("AccumulateGrad", "fc2.weight", "  │ ◇", (10, 128), None),
    ("ReluBackward0", "act", "  ○", (64, 128), None),
    ("AddmmBackward0", "fc1", "  ○─┬─╮", (64, 128), None),
    ("AccumulateGrad", "fc1.bias", "  ◇ │ │", (128,), None),
    ("TBackward0", "fc1", "      ○", (784, 128), None),
    ("AccumulateGrad", "fc1.weight", "      ◇", (128, 784), None),
]


def op(number: int) -> model.Op:
    name, shape, module, line = OPS[(number - 1) % len(OPS)]
    values = "[[0, 0.31, 0, 0.7, 0, 1.2, …"
    out = info("h", shape, stats=STATS, grad_fn="ReluBackward0", values=values)
    return model.Op(
        id=number, name=name, site=site(line), module=module, module_class="ReLU",
        inputs=(info("z", (64, 128), stats=STATS),), outputs=(out,), nodes=("ReluBackward0",),
        duration=3.1e-5,
    )  # fmt: skip


def op_stop(number: int, when: str = "after") -> model.Stop:
    made = op(number)
    return model.Stop(
        phase="forward", reason="step", site=made.site, module=made.module, when=when, op=made,
        position=number,
        watches=(model.Watch("z.mean()", "-0.0031", "-0.0029"), model.Watch("len(x)", "64")),
    )  # fmt: skip


def node(number: int) -> model.Node:
    name, label, _, shape, norm = NODES[number - 1]
    gradient = info("", shape, stats=Stats(norm=norm or 0.14, nans=0, infs=0))
    return model.Node(
        id=number, name=name, label=label, seq=400 + number, site=site(28), module=label,
        rule="y = beta * b + alpha * (h @ Wt)",
        grad_in=(gradient,),
        edges=(Edge(4, 0, "fc2.bias"), Edge(7, 0, "#7 ReluBackward0"), Edge(0, 0, "none")),
        saved=(
            Saved(name="mat1", tensor=info("h", (64, 128))),
            Saved(name="mat2", tensor=info("", (128, 10), version=2), state="changed in place"),
        ),
    )  # fmt: skip


def node_stop(number: int) -> model.Stop:
    return model.Stop(
        phase="backward", reason="step", site=site(28), module="fc2", when="before",
        node=node(number), position=number, total=len(NODES), root="loss",
        accumulated=tuple(
            Accumulated(row[1], 0.082, row[3])
            for row in NODES[: number - 1]
            if row[0] == "AccumulateGrad"
        ),
    )  # fmt: skip


def node_rows(here: int) -> list[NodeRow]:
    rows = []
    for number, (name, label, lanes, shape, norm) in enumerate(NODES, 1):
        state = "done" if number < here else "here" if number == here else "predicted"
        lanes = lanes.replace("◉", "○")
        rows.append(
            NodeRow(
                id=number, name=name, label=label, state=state, shape=shape,
                norm=norm if number <= here else None, breakpoint=number == 7,
                lanes=lanes.replace("○", "◉") if state == "here" else lanes,
            )
        )  # fmt: skip
    return rows


class FakeConversation:
    """Answers from hand-made records; ``entered`` and ``asked`` are what it heard."""

    total = 0
    """Rows of the lists, when they are to be long."""

    ours = True
    guided = False
    cost = None

    def __init__(self, show: Callable[[model.Record], None]) -> None:
        self.show = show
        self.prompt: protocol.Prompt | None = None
        self.ready: protocol.Ready | None = None
        self.gone: model.Gone | None = None
        self.stop: model.Stop | None = None
        self.exit_code = 0
        self.options = Options(target="train.py")
        self.generation = 1
        self.finished = False
        self.waiting_input = False
        self.on_change: Callable[[], None] = lambda: None
        self.on_output: Callable[[str, bytes], None] = lambda stream, data: None
        self.entered: list[str] = []
        self.asked: list[protocol.Request] = []
        self.fed: list[str] = []
        self.interrupts = 0
        self.hold: asyncio.Event | None = None

    async def start(self) -> None:
        self.ready = protocol.Ready(torch="2.13.0", device="cpu")
        self.prompt = protocol.Prompt(state="idle")
        self.on_change()

    def at(self, stop: model.Stop | None) -> None:
        """Stop somewhere, as the engine would tell."""
        self.stop = stop
        state = stop.phase if stop else "idle"
        if stop is not None:
            self.show(stop)
        self.prompt = protocol.Prompt(state=state, depth=int(stop is not None))
        self.on_change()

    async def enter(self, text: str) -> None:
        self.entered.append(text)
        self.prompt = None
        self.on_change()
        if self.hold is not None:
            await self.hold.wait()
        word = text.strip().lstrip(":")
        if word in ("s", "step") and self.stop is not None:
            back = self.stop.node is not None
            self.at(node_stop(self.stop.position + 1) if back else op_stop(self.stop.position + 1))
        elif word.startswith("bw"):
            self.at(node_stop(1))
        elif word.startswith("load"):
            self.at(op_stop(1, "before"))
        elif word == "restart":
            self.generation, self.gone, self.stop = self.generation + 1, None, None
            self.at_prompt()
        elif word in ("q", "quit"):
            self.finished = True
            self.on_change()
        else:
            self.show(model.Value(text=f"tensor({word})"))
            self.at_prompt()

    def at_prompt(self) -> None:
        state = self.stop.phase if self.stop else "idle"
        self.prompt = protocol.Prompt(state=state)
        self.on_change()

    async def ask(self, request: protocol.Request) -> model.Record | None:
        self.asked.append(request)
        match request:
            case protocol.OpRows(first=first, count=count):
                return self._ops(first, count)
            case protocol.NodeRows(first=first, count=count):
                here = self.stop.position if self.stop and self.stop.node else 0
                rows = node_rows(here) if here else []
                return model.Nodes(
                    rows=tuple(rows[first : first + count]), first=first, total=len(rows), run=here
                )
            case protocol.Listing():
                here = self.stop.site.line if self.stop and self.stop.site else 0
                rows = tuple(
                    model.SourceLine(
                        line, text, line == here, "z (64, 128)" if line == 26 else "", line == 28
                    )
                    for line, text in LINES
                )
                return model.Source(file=FILE, function="MLP.forward", lines=rows)
            case protocol.OpDetail(id=id):
                return op(id)
            case protocol.NodeDetail(id=id):
                return node(id)
        return self._look(request)

    def _ops(self, first: int, count: int) -> model.Ops:
        seen = self.stop.position if self.stop and self.stop.op else 0
        if self.stop is not None and self.stop.when == "before" and self.stop.op:
            seen -= 1
        total = self.total or (seen if self.stop is None or self.stop.op else len(OPS))
        first = max(0, total + first) if first < 0 else first
        rows = []
        for index in range(first, min(total, first + count)):
            name, shape, module, line = OPS[index % len(OPS)]
            rows.append(
                OpRow(
                    id=index + 1, name=name, outputs=() if shape is None else (shape,),
                    dtype="float32", module=module, site=site(line),
                )
            )  # fmt: skip
        return model.Ops(rows=tuple(rows), first=first, total=total)

    def _look(self, request: protocol.Request) -> model.Record | None:
        match request:
            case protocol.FrameStack():
                return model.Frames(frames=(
                    model.Frame(0, site(27), "act", selected=True),
                    model.Frame(1, Site(FILE, 48, "train_step", "loss = step(x)")),
                    model.Frame(2, Site(FILE, 61, "<module>", "main()")),
                ))  # fmt: skip
            case protocol.ListBreakpoints():
                return model.Breakpoints(rows=(
                    model.BreakpointInfo(id=1, text="mod fc2"),
                    model.BreakpointInfo(id=2, text="nan", hits=2, enabled=False),
                ))  # fmt: skip
            case protocol.Names():
                return model.Variables(rows=(
                    model.Variable("x", "(64, 784) f32 leaf", "tensor"),
                    model.Variable("h", "(64, 128) f32 ReluBackward0", "tensor"),
                    model.Variable("model", "MLP", "module"),
                ), total=3)  # fmt: skip
        return None

    def needs_more(self, text: str) -> bool:
        return text.rstrip(" ").endswith(":") or (text.startswith("for") and text[-1] != "\n")

    def interrupt(self) -> None:
        self.interrupts += 1

    def feed(self, line: str) -> None:
        self.fed.append(line)
        self.waiting_input = False
        self.on_change()

    def end_input(self) -> None:
        self.waiting_input = False

    async def complete(self, text: str) -> list[str]:
        return [word for word in ("relu", "relu_", "reshape") if word.startswith(text)]

    async def close(self) -> None:
        self.finished = True
