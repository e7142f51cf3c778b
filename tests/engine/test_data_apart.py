"""Looks that run the program's code run it in a copy: the program is as it was, to the bit."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from debuggee import Debuggee, debuggee

from gradrepl import conditions as c
from gradrepl import model
from gradrepl import protocol as p
from gradrepl_loader_lab.records import (
    AskSynthetic,
    EpochRun,
    RunEpoch,
    Synthetic,
    TuneLoader,
    Tuning,
)

BEGIN = """
import ctypes, os, random, signal, sys, time, threading
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler
torch.manual_seed(0), random.seed(0), np.random.seed(0)
kept = None
"""
TRAIN = """
weight = torch.zeros(2, requires_grad=True)
got, losses = [], []
for epoch in range(2):
    for x, y in loader:
        loss = (x @ weight - y).square().mean()
        (gradient,) = torch.autograd.grad(loss, weight)
        weight.data -= 0.01 * gradient
        got.append(y.tolist())
        losses.append(loss.item().hex())
drawn = torch.rand(1).item(), random.random(), np.random.rand()
"""
RESULT = "repr((got, losses, drawn, [] if kept is None else kept()))"
LINES = """
path = folder + "/lines"
with open(path, "w") as lines:
    for n in range(32):
        print(n / 32, (n * 7 % 11) / 11, n, file=lines)
"""
PROGRAMS = {
    "stream": LINES
    + """
class Lines(IterableDataset):
    def __init__(self):
        self.file = open(path)
    def __iter__(self):
        if self.file.tell() > 300:
            self.file.seek(0)
        while line := self.file.readline():
            a, b, y = map(float, line.split())
            yield torch.tensor([a, b]), torch.tensor(y)
loader = DataLoader(Lines(), batch_size=8)
""",
    "cache and generator": """
class Jittered(Dataset):
    def __init__(self):
        self.rng, self.calls, self.cache = np.random.default_rng(0), 0, {}
    def __len__(self):
        return 24
    def __getitem__(self, i):
        self.calls += 1
        if i not in self.cache:
            self.cache[i] = self.calls / 10 + float(self.rng.normal()) * 0.1
        return torch.tensor([self.cache[i], self.rng.uniform() + random.random()]).float(), i * 2.0
loader = DataLoader(Jittered(), batch_size=8, shuffle=True)
""",
    "sampler": """
class Mine(Sampler):
    def __init__(self):
        self.own, self.passes = torch.Generator().manual_seed(3), 0
    def __len__(self):
        return 24
    def __iter__(self):
        self.passes += 1
        order = torch.randperm(24, generator=self.own).tolist()
        return iter(order[self.passes:] + order[:self.passes])
x = torch.randn(24, 2)
loader = DataLoader(list(zip(x, map(float, range(24)))), batch_size=8, sampler=Mine())
""",
    "worker": """
path = folder + "/records"
np.arange(48, dtype=np.float32).tofile(path)
class Records(Dataset):
    def __init__(self):
        self.file = open(path, "rb", buffering=0)
    def __len__(self):
        return 24
    def __getitem__(self, i):
        self.file.seek(i * 8)
        time.sleep(0.001)
        return torch.from_numpy(np.frombuffer(self.file.read(8), np.float32).copy()), float(i)
loader = DataLoader(Records(), batch_size=4, num_workers=1)
""",
    "shared memory and a log": """
log = open(folder + "/log", "w")
class Shared(Dataset):
    def __init__(self):
        self.seen = torch.zeros(24).share_memory_()
    def __len__(self):
        return 24
    def __getitem__(self, i):
        self.seen[i] += 1
        log.write(f"{i} ")
        if i % 5 == 0:
            log.flush()
        return torch.stack([self.seen[i], self.seen.sum()]), float(i)
data = Shared()
loader = DataLoader(data, batch_size=8)
kept = lambda: (data.seen.tolist(), log.flush(), open(log.name).read())
""",
}
LOOKS: list[tuple[p.Request, type[Any]]] = [
    (p.AskLoader(expression="loader"), model.Loader),
    (p.AskBatch(number=1, expression="loader"), model.Batch),
    (p.AskSample(index="1", expression="loader"), model.Sample),
    (p.CheckLoader(expression="loader", samples=8), model.LoaderCheck),
    (p.AskEpoch(expression="loader"), model.Epoch),
    (RunEpoch(expression="loader"), EpochRun),
    (TuneLoader(expression="loader", seconds=0.05, workers=(0, 1)), Tuning),
    (AskSynthetic(expression="loader", seconds=0.05), Synthetic),
    (p.FetchSample(index="1", loader="loader"), model.Sample),
]


def looked(d: Debuggee, look: p.Request) -> Any:
    """Return the last answer to a look; one that stops goes on to its end."""
    if not isinstance(look, p.RUNS):
        return d.look(look)
    depth = d.prompt.depth if d.prompt is not None else 0
    found = d.run(look)[-1]
    while d.prompt is not None and d.prompt.depth > depth:
        found = d.go(c.Continue())
    return found


def same(d: Debuggee, program: str, looks: list[p.Request]) -> list[Any]:
    """Run a program alone, then look at batch 1 of both epochs; return the answers."""
    assert d.type(program) is None
    alone = d.value(RESULT, full=True)
    d.break_at("batch 1")
    d.type(program)
    answers = []
    while d.prompt is not None and d.prompt.state != "idle":
        answers += [looked(d, look) for look in looks]
        d.cont()
    assert d.value(RESULT, full=True) == alone
    assert len(answers) == 2 * len(looks)
    return answers


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_look_changes_a_sample_or_a_loss(d: Debuggee, program: str, tmp_path: Path) -> None:
    source = f"{BEGIN}folder = {str(tmp_path)!r}\n{PROGRAMS[program]}{TRAIN}"
    answers = same(d, source, [look for look, _ in LOOKS])
    for each, (_, kind) in zip(answers, LOOKS * 2, strict=True):
        no_index = program == "stream" and kind is model.Sample
        assert isinstance(each, model.Error if no_index else kind), each


ENDS = {
    "os._exit(3)": "exited with code 3",
    "os.kill(os.getpid(), signal.SIGSEGV)": "killed by SIGSEGV",
    "sys.exit(4)": "SystemExit: 4",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_sample_that_ends_its_process_ends_no_program(d: Debuggee, end: str) -> None:
    source = f"""{BEGIN}
class Ends(Dataset):
    def __len__(self):
        return 24
    def __getitem__(self, i):
        if i == 9:
            {end}
        return torch.randn(2), float(i)
loader = DataLoader(Ends(), batch_size=4, sampler=range(8))
{TRAIN}"""
    looks = [p.AskSample(index="9", expression="loader"), p.FetchSample(index="9", loader="loader")]
    for each in same(d, source, [*looks, p.CheckLoader(expression="loader")]):
        texts = (
            [each.message] if isinstance(each, model.Error) else [f.evidence for f in each.findings]
        )
        assert any(ENDS[end] in text for text in texts), each


ENDLESS = """
class Endless(Dataset):
    def __len__(self):
        return 24
    def __getitem__(self, i):
        while i == 9:
            try:
                open(there, "w").close()
                time.sleep(0.01)
            except BaseException:
                if HEEDS:
                    raise
        return torch.zeros(2), float(i)
loader = DataLoader(Endless(), batch_size=4)
"""


@pytest.mark.parametrize("look", [p.AskSample(index="9"), p.FetchSample(index="9"), RunEpoch()])
@pytest.mark.parametrize("heeds", [True, False])
def test_ctrl_c_ends_what_never_ends(
    d: Debuggee, look: p.Request, heeds: bool, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    d.type(f"{BEGIN}HEEDS, there = {heeds}, {str(there)!r}\n{ENDLESS}")
    d.look(p.AskLoader(expression="loader"))
    number = d.send(look)
    end = time.monotonic() + 60
    while not there.exists() and time.monotonic() < end:
        time.sleep(0.02)
    d.process.send_signal(signal.SIGINT)
    record: Any = None
    while (message := d.link.receive()) is not None:
        if isinstance(message, p.Answer) and message.id == number:
            record = message.record
            break
    if not heeds:
        assert record.message == "it did not stop at Ctrl-C, and was killed."
    elif isinstance(look, RunEpoch):
        assert (record.stopped, record.batches) == (True, 2)
    else:
        assert record.kind == "KeyboardInterrupt"
    assert d.value("6 * 7") == "42"
    assert not Path(f"/proc/{d.process.pid}/task/{d.process.pid}/children").read_text()


def test_what_a_copy_prints_is_told_and_not_printed_by_the_program(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("wb") as stdout, debuggee(stdout=stdout) as d:
        d.type(
            BEGIN
            + """
class Prints(Dataset):
    def __len__(self):
        return 24
    def __getitem__(self, i):
        print("sample", i)
        os.write(1, b"raw" * (100_000 if i == 10 else 1))
        return torch.zeros(2), float(i)
loader = DataLoader(Prints(), batch_size=4)
_ = sys.stdout.write("begun, ")
"""
        )
        told = [asked(d, p.AskSample(index=each, expression="loader")) for each in ("9", "10")]
        d.type('print("done")')
        d.quit()
    assert out.read_text() == "begun, done\n"
    assert "".join(text.body for text in told[0]) == "sample 9\nraw"
    whole = "".join(text.body for text in told[1])
    assert whole.startswith("sample 10\nrawraw")
    assert whole.endswith("(more is not shown)")
    assert len(whole) < 70_000


def asked(d: Debuggee, look: p.Request) -> list[model.Text]:
    """Ask; return the texts that were told meanwhile."""
    number, texts = d.send(look), []
    while (message := d.link.receive()) is not None:
        if isinstance(message, p.Tell) and isinstance(message.record, model.Text):
            texts.append(message.record)
        if isinstance(message, p.Answer) and message.id == number:
            assert isinstance(message.record, model.Sample), message.record
            break
    return texts


def test_a_fetch_is_stepped_in_the_copy_and_here_it_is_the_program(d: Debuggee) -> None:
    d.type(
        BEGIN
        + """
class Counts(Dataset):
    calls = 0
    def __len__(self):
        return 24
    def __getitem__(self, i):
        Counts.calls += 1
        return torch.zeros(2) + i
loader = DataLoader(Counts(), batch_size=4)
"""
    )
    d.run(p.FetchSample(index="3", loader="loader"))
    assert d.value("Counts.calls") == "1"
    d.type("Counts.calls = 7; loader = None")
    assert d.value("Counts.calls") == "7"
    assert isinstance(d.go(c.Continue()), model.Sample)
    assert d.value("Counts.calls, loader is None") == "(0, False)"
    d.run(p.FetchSample(index="3", here=True))
    d.go(c.Continue())
    assert d.value("Counts.calls, _.tolist()") == "(1, [3.0, 3.0])"


def test_leaving_at_a_stop_of_a_copy_leaves_the_program(d: Debuggee) -> None:
    d.type(BEGIN + "loader = DataLoader([torch.ones(2), torch.ones(2) * 2], batch_size=2)")
    d.type(
        "class D(Dataset):\n    def __getitem__(self, i): return torch.ones(1) + i\n"
        "    def __len__(self): return 3\nloader = DataLoader(D())"
    )
    d.run(p.FetchSample(index="1", loader="loader"))
    assert d.prompt is not None
    assert d.prompt.state == "forward"
    assert d.quit() == 0


def test_a_connection_of_the_programs_is_not_used(d: Debuggee) -> None:
    d.type(
        BEGIN
        + """
import socket
ours, theirs = socket.socketpair()
ours.setblocking(False)
class Remote(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, i):
        theirs.send(b"give me one")
        return torch.zeros(1)
loader = DataLoader(Remote(), batch_size=2)
"""
    )
    for look in (p.AskSample(index="1", expression="loader"), p.AskBatch(number=0)):
        error = d.look(look)
        assert isinstance(error, model.Error)
        assert "does not have its connections and pipes" in error.message
        assert "--here" in error.hint
    assert "BlockingIOError" in d.type("ours.recv(1)").message


def test_an_error_about_a_server_is_the_samples_own_where_nothing_is_connected(
    d: Debuggee,
) -> None:
    d.type(
        BEGIN
        + """
class Remote(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, i):
        raise ValueError("no server")
loader = DataLoader(Remote(), batch_size=2)
"""
    )
    told = d.look(p.AskSample(index="1", expression="loader"))
    assert (told.kind, told.message) == ("ValueError", "ValueError: no server")


def test_a_handler_of_sigchld_of_the_programs_does_not_hear_of_it(d: Debuggee) -> None:
    d.type(
        BEGIN
        + """
heard = []
signal.signal(signal.SIGCHLD, lambda *given: heard.append(given))
loader = DataLoader([torch.ones(1)] * 4, batch_size=2, num_workers=1)
"""
    )
    for look in (p.AskSample(index="1", expression="loader"), RunEpoch(), p.AskBatch(number=1)):
        assert not isinstance(d.look(look), model.Error)
    assert d.value("heard, signal.getsignal(signal.SIGCHLD).__name__") == "([], '<lambda>')"
    d.type("signal.signal(signal.SIGCHLD, signal.SIG_DFL)")
