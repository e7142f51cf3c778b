"""Writing files: every kind, of a graph of 3,000 nodes and of one of a million.

``export.py NODES``: through a real debuggee and its link, as a user waits for it; seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from debuggee import Debuggee, debuggee
from table import Row, Section, in_child

from gradrepl import model, plugins
from gradrepl.commands.export import export, record
from gradrepl.errors import StateError

plugins.here().load()

SIZES = (3_000, 1_000_000)
GOAL = 2.0
KINDS = ("a.svg", "a.html", "a.dot", "a.mmd", "a.json", "pass a.csv", "time t.json", "ops o.csv")
DEEP = 30_000
"""Nodes from which on the graph is a chain without modules, and nothing runs it."""
NET = """\
class Res(nn.Module):
    def __init__(s):
        super().__init__()
        s.a, s.b, s.n = nn.Linear(8, 8), nn.Linear(8, 8), nn.LayerNorm(8)
    def forward(s, x): return x + s.b(torch.relu(s.a(s.n(x))))
net = nn.Sequential(*[nn.Sequential(*[Res() for _ in range(4)]) for _ in range({count})])
loss = net(torch.randn(4, 8)).sum()
loss.backward(retain_graph=True)
"""
CHAIN = """\
loss = x = torch.ones((), requires_grad=True)
with torch._C.DisableTorchFunction():
    for _ in range({count}): loss = loss * 1.0
"""


class Talk:
    """Asks the debuggee as a face does."""

    on_shot = None

    def __init__(self, d: Debuggee) -> None:
        self.d = d

    async def ask(self, request: Any) -> Any:
        return self.d.look(request)

    def tell(self, record: model.Record) -> None:
        """Progress is not what is measured."""


def written(nodes: int) -> dict[str, float | None]:
    """Return the seconds that each kind takes, None where it is refused, and memory in MB."""
    found: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as folder, debuggee() as d:
        os.chdir(folder)
        talk: Any = Talk(d)
        large = nodes > DEEP
        if not large:
            asyncio.run(record(talk, True))
        source = CHAIN.format(count=nodes) if large else NET.format(count=nodes // 52)
        assert d.type(source) is None
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for kind in KINDS:
            own = kind.startswith(("pass", "time", "ops"))
            try:
                done = asyncio.run(export(talk, f"! {kind}" if own else f"! {kind} loss"))
            except StateError:
                done = None
            found[kind] = done.seconds if isinstance(done, model.Exported) else None
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found["megabytes"] = (after - before) / 1024
        os.chdir("/")
    return found


def measure() -> Section:
    """Measure all kinds at both sizes."""
    small, large = (in_child("export", str(size)) for size in SIZES)
    rows = [Row(kind, (small[kind], large[kind]), (GOAL, None), "s") for kind in KINDS]
    rows.append(
        Row("the face's memory", (small["megabytes"], large["megabytes"]), (None, None), "MB")
    )
    return Section("Files", ("3,000 nodes", "10^6"), tuple(rows))


if __name__ == "__main__":
    print(json.dumps(written(int(sys.argv[1]))))
