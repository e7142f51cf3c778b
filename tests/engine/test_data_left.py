"""Workers of spawn and forkserver are watched without a change, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from debuggee import ROOT, Debuggee, debuggee

from gradrepl import conditions as c
from gradrepl import model
from gradrepl import protocol as p
from gradrepl_loader_lab.records import AskSynthetic, RunEpoch, TuneLoader

LOADER = """
import torch
from torch.utils.data import DataLoader, Dataset

class Numbered(Dataset):
    def __len__(self):
        return 400

    def __getitem__(self, index):
        return torch.ones(3, 100) * index, index % 4

if __name__ == "__main__":
    loader = DataLoader(Numbered(), 4, shuffle=True, num_workers=WORKERS, persistent_workers=True,
                        multiprocessing_context=METHOD)
    torch.ones(1) + 1
    while True:
        for x, y in loader:
            pass
"""
HELD = (
    "(len(__import__('os').listdir('/proc/self/fd')), "
    "[each.pid for each in __import__('multiprocessing').active_children()], "
    "__import__('signal').getsignal(__import__('signal').SIGCHLD))"
)
SHM = Path("/dev/shm")


@pytest.mark.parametrize("name", ["spawn_workers", "forkserver"])
def test_other_ways_to_start_workers_are_watched_unseen(
    attached: Callable[[list[str], Any], Debuggee], name: str
) -> None:
    seen: list[model.LoaderWatch] = []

    def go(d: Debuggee) -> None:
        assert d.look(p.WatchLoaders()).on
        d.break_at("batch 3")
        while d.prompt is not None and d.prompt.state != "idle":
            d.cont()
            if d.prompt is not None and d.prompt.state == "forward":
                found = d.look(p.AskLoader())
                assert isinstance(found, model.Loader) or "which loader" in found.message, found
        seen.append(d.look(p.WatchLoaders()))

    d = attached([str(ROOT / "tests" / "programs" / f"{name}.py")], go)
    assert sum(stop.reason.endswith(": batch 3") for stop in d.stops()) >= 1
    assert seen[0].batches >= 4


def test_what_is_asked_leaves_nothing_open(d: Debuggee) -> None:
    d.type(LOADER.partition("if __name__")[0])
    d.type("loader = DataLoader(Numbered(), 4, num_workers=2)")
    d.look(RunEpoch(expression="loader"))  # what is imported then is imported
    before = d.value(HELD)
    for request in (
        RunEpoch(), TuneLoader(seconds=0.1, workers=(0, 1)), p.CheckLoader(samples=8),
        AskSynthetic(seconds=0.1), p.AskEpoch(), p.AskBatch(number=3), p.AskSample(index="3"),
    ):  # fmt: skip
        answer = d.look(request)
        assert not isinstance(answer, model.Error), answer
        end = time.monotonic() + 5  # a queue's own thread closes its ends a moment later
        while d.value(HELD) != before and time.monotonic() < end:
            time.sleep(0.05)
        assert d.value(HELD) == before, request


def ours(mark: str) -> list[int]:
    """Return the processes that were started below this test."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            try:
                if mark.encode() in (each / "environ").read_bytes():
                    found.append(int(each.name))
            except OSError:
                continue
    return found


def gone(mark: str) -> bool:
    """Wait until all of them have ended; torch's workers look for their parent every 5 seconds."""
    end = time.monotonic() + 30
    while ours(mark) and time.monotonic() < end:
        time.sleep(0.05)
    return not ours(mark)


def quit_there(d: Debuggee) -> None:
    d.quit()


def interrupt(d: Debuggee) -> None:
    d.look(p.ChangeBreakpoint(id=0, action="clear"))
    d.send(p.Resume(verb=c.Continue()))
    time.sleep(1)  # at the prompt it would be the face's
    d.process.send_signal(signal.SIGINT)
    d.until_prompt()
    d.run(p.Abort(interrupt=True))
    d.quit()


def crash(d: Debuggee) -> None:
    d.process.send_signal(signal.SIGKILL)
    d.process.wait()


@pytest.mark.parametrize(
    ("end", "method"),
    [(quit_there, "fork"), (interrupt, "fork"), (crash, "fork"), (crash, "spawn")],
)
def test_nothing_is_left_behind(
    end: Callable[[Debuggee], None], method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = f"GRADREPL_TEST_MARK={tmp_path}"
    monkeypatch.setenv(*mark.split("=", 1))
    path = tmp_path / "train.py"
    workers = 2 if method == "fork" else 1  # a spawned one imports torch
    path.write_text(LOADER.replace("METHOD", repr(method)).replace("WORKERS", str(workers)))
    with debuggee(warm=False) as d:
        d.load(path)
        d.look(p.WatchLoaders())
        d.break_at("batch 2")
        d.cont()
        found = d.look(p.AskLoader(expression="loader"))
        assert isinstance(found, model.Loader), found
        assert [each.alive for each in found.processes] == [True] * workers
        pids = ours(mark)
        assert set(pids) >= {each.pid for each in found.processes}
        end(d)
    assert gone(mark)
    left = os.listdir(SHM) if SHM.is_dir() else []
    assert not [name for name in left if name.startswith(tuple(f"torch_{pid}_" for pid in pids))]
