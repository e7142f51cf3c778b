"""What breaks a loader: the sample by its index, the worker by what it was at."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from debuggee import Debuggee, debuggee

from gradrepl import model, protocol
from gradrepl import protocol as p

HEAD = """
import os, time
from torch.utils.data import DataLoader, Dataset, get_worker_info
class Base(Dataset):
    def __len__(self):
        return 32
"""
COLLATE = (
    HEAD
    + """
class Data(Base):
    def __getitem__(self, index):
        return {"image": torch.zeros(3, 4 if index == 13 else 5), "label": index}
"""
)
RAISES = (
    HEAD
    + """
class Data(Base):
    def __getitem__(self, index):
        if index == 13:
            raise KeyError("wing")
        return torch.zeros(2), index
"""
)
DIES = (
    HEAD
    + """
class Data(Base):
    def __getitem__(self, index):
        if index == 13:
            os.kill(os.getpid(), 9)
        return torch.zeros(2), index
"""
)
HANGS = (
    HEAD
    + """
class Data(Base):
    def __getitem__(self, index):
        if index == 13 and get_worker_info() is not None:
            time.sleep(1000)
        return torch.zeros(2), index
"""
)
LOOP = "for each in loader: pass"


def error(d: Debuggee, setup: str, arguments: str, loop: str = LOOP) -> model.Error:
    d.type(f"{setup}\nloader = DataLoader(Data(), {arguments})")
    found = d.type(loop)
    assert isinstance(found, model.Error), found
    return found


@pytest.mark.parametrize("workers", [0, 2])
def test_a_collate_mismatch_names_index_key_and_shapes(d: Debuggee, workers: int) -> None:
    found = error(d, COLLATE, f"batch_size=4, num_workers={workers}")
    torchs = "resize storage that is not resizable" if workers else "stack expects each tensor"
    assert torchs in found.message  # a worker stacks into shared memory, and says less
    assert found.hint.startswith(
        "dataset[13] part 'image' has shape (3, 4), 3 others (3, 5): they cannot be made into one "
        "batch. In the batch are (3, 5): 12, 14, 15; (3, 4): 13."
    )


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_exception_names_the_index_also_of_a_shuffled_loader(d: Debuggee, workers: int) -> None:
    found = error(d, RAISES, f"batch_size=4, shuffle=True, num_workers={workers}")
    assert found.kind == "KeyError"
    assert found.hint.startswith("dataset[13] raises it")
    assert "':fetch 13'" in found.hint
    assert ("worker" in found.hint) == bool(workers)


def test_an_index_that_the_dataset_has_changed_is_not_told_for_the_one_it_was_given(
    d: Debuggee,
) -> None:
    changes = RAISES.replace("if index", "index = (index + 1) % 32\n        if index")
    hint = error(d, changes, "batch_size=4, shuffle=True").hint
    # from Python 3.12 on the index that was given is known no more
    assert hint == "" or hint.startswith("dataset[12] raises it")


def test_a_sample_is_named_without_batches_too(d: Debuggee) -> None:
    assert error(d, RAISES, "batch_size=None").hint.startswith("dataset[13] raises it")


def test_an_error_that_is_not_met_again_says_so(d: Debuggee) -> None:
    there = "multiprocessing.current_process().name != 'MainProcess'"
    setup = "import multiprocessing\n" + RAISES.replace("if index", f"if {there} and index")
    found = error(d, setup, "batch_size=4, num_workers=2")
    assert "indices 12, 13, 14, 15. Fetched here, none of them raises KeyError" in found.hint


def test_a_killed_worker(d: Debuggee) -> None:
    longer = DIES.replace("return 32", "return 400")
    found = error(d, longer, "batch_size=4, num_workers=2, shuffle=True")
    assert "killed by signal: Killed" in found.message or "exited unexpectedly" in found.message
    assert "was killed by SIGKILL at " in found.hint
    assert "/dev/shm has" in found.hint
    assert "num_workers=0" in found.hint
    named = re.findall(r"indices ([\d, ]+)", found.hint)
    assert any("13" in indices.split(", ") for indices in named)


def test_a_worker_that_exits(d: Debuggee) -> None:
    setup = DIES.replace("os.kill(os.getpid(), 9)", "os._exit(3)")
    found = error(d, setup, "batch_size=4, num_workers=1")
    assert "Worker 0 (pid" in found.hint
    assert "exited with code 3 at" in found.hint
    assert "batch 3 (indices 12, 13, 14, 15)" in found.hint


def test_a_time_out_says_who_is_at_what(d: Debuggee) -> None:
    found = error(d, HANGS, "batch_size=4, num_workers=1, timeout=1")
    assert "timed out after 1 seconds" in found.message
    assert found.hint.startswith("worker 0 is at batch 3 (indices 12, 13, 14, 15)")


def test_a_hang_is_paused_and_looked_at(script: Callable[..., Path], tmp_path: Path) -> None:
    path = script(
        "import torch\n" + HANGS + "def main():\n"
        "    loader = DataLoader(Data(), batch_size=4, num_workers=2)\n"
        "    for each in loader:\n        print(each[1].tolist(), flush=True)\n"
        "torch.zeros(1)\nmain()\n"
    )
    out = tmp_path / "out"
    with out.open("wb") as stdout, debuggee(stdout=stdout) as d:
        d.load(path)
        d.look(p.WatchLoaders())
        d.send(p.Resume(verb=_continue()))
        d.prompt = None
        end = time.monotonic() + 60
        while "[8, 9, 10, 11]" not in out.read_text():
            assert time.monotonic() < end
            time.sleep(0.05)
        d.process.send_signal(signal.SIGINT)
        d.until_prompt()
        assert d.prompt is not None
        assert d.prompt.state == "forward"
        told = d.look(p.AskLoader(expression="loader"))
        assert isinstance(told, model.Loader), told
        stuck = told.processes[1]
        assert (stuck.batch, stuck.indices) == (3, ("12", "13", "14", "15"))
        assert stuck.seconds is not None
        assert stuck.alive
        # All that the other had to deliver has come, but for what the stop met on its way.
        assert told.processes[0].batch in (None, 4, 6)
        assert told.batch == 2
        pids = [each.pid for each in told.processes]
        d.quit()
        assert not alive(pids)


def _continue() -> object:
    from gradrepl import conditions

    return conditions.Continue()


def alive(pids: list[int]) -> list[int]:
    """Return those that are still there, after they had time to go."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        left = [pid for pid in pids if _runs(pid)]
        if not left:
            return []
        time.sleep(0.1)
    return left


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_scripts_loader_error_is_explained_at_its_stop(script: Callable[..., Path]) -> None:
    path = script(
        "import torch\n" + RAISES + "torch.zeros(1)\n"
        "loader = DataLoader(Data(), batch_size=4, num_workers=1)\n" + LOOP + "\n"
    )
    with debuggee() as d:
        d.load(path)
        stop = d.cont()[-1]
        assert isinstance(stop, model.Stop)
        assert stop.phase == "exception"
        (note,) = stop.notes
        assert note.startswith("dataset[13] raises it (worker 0, batch 3), here too.")
        found = d.run(p.FetchSample(index="13", loader="loader"))[-1]
        assert isinstance(found, (model.Error, model.Stop))


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("DataLoader(Data(), shuffle=True, sampler=range(3))", "A sampler decides the order"),
        ("DataLoader([], shuffle=True)", "The dataset is empty"),
        ("DataLoader(Data(), prefetch_factor=2)", "Without workers nothing is fetched ahead"),
        ("DataLoader(Data(), persistent_workers=True)", "Leave persistent_workers out"),
        ("DataLoader(Data(), batch_size=2, batch_sampler=[[1]])", "A batch_sampler decides"),
        ("next(iter(DataLoader(Data(), num_workers=1, multiprocessing_context='spawn', "
         "collate_fn=lambda x: x)))", "collate_fn (function) cannot be pickled"),
    ],
)  # fmt: skip
def test_messages_about_settings_say_what_to_do(d: Debuggee, source: str, hint: str) -> None:
    d.type(RAISES)
    found = d.type(source)
    assert isinstance(found, model.Error), found
    assert hint in found.hint


def test_a_none_and_a_missing_key_are_named(d: Debuggee) -> None:
    setup = COLLATE.replace(
        "torch.zeros(3, 4 if index == 13 else 5)", "None if index == 13 else torch.zeros(2)"
    )
    assert (
        "dataset[13] part 'image' is None, 3 others float32" in error(d, setup, "batch_size=4").hint
    )
    setup = COLLATE.replace('"label": index}', '**({} if index == 12 else {"label": index})}')
    found = error(d, setup, "batch_size=4, num_workers=1")
    assert "dataset[12] lacks 'label'" in found.hint or "13" in found.hint


LEAVES = (
    HEAD
    + """
class Data(Base):
    def __getitem__(self, index):
        return torch.zeros(1000), index
torch.zeros(1)
loader = DataLoader(Data(), 4, num_workers=2, persistent_workers=True,
                    multiprocessing_context="{method}")
if __name__ == "__main__":
    for each in loader:
        pass
    for each in loader:
        pass
"""
)


@pytest.mark.parametrize("how", ["quit", "interrupt", "crash"])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_nothing_is_left_behind(script: Callable[..., Path], method: str, how: str) -> None:
    path = script("import torch\n" + LEAVES.replace("{method}", method))
    before = set(os.listdir("/dev/shm"))
    with debuggee() as d:
        d.load(path)
        d.break_at("batch 2")
        d.cont()
        told = d.look(p.AskLoader(expression="loader"))
        assert isinstance(told, model.Loader), told
        pids = [each.pid for each in told.processes]
        assert len(pids) == 2
        assert d.look(p.AskBatch(number=5)).size == 4
        if how == "interrupt":
            d.run(p.Abort(interrupt=True))
        if how == "crash":
            d.process.kill()
            d.process.wait()
        else:
            d.quit()
    assert not alive(pids)
    left = set(os.listdir("/dev/shm")) - before
    assert [name for name in left if name.startswith(("torch_", "pymp"))] == []


def test_no_descriptor_stays_open(d: Debuggee) -> None:
    d.type(RAISES.replace("index == 13", "False") + "\nloader = DataLoader(Data(), 4)")
    count = "len(__import__('os').listdir('/proc/self/fd'))"
    d.type("__import__('gc').collect() and None")
    before = int(d.value(count))
    for _ in range(3):
        d.look(p.AskLoader(expression="loader"))
        d.look(p.AskBatch(number=2))
        d.look(p.AskSample(index="3"))
    assert int(d.value(count)) == before
    assert json.loads(d.value("[2]")) == [2]


def test_a_worker_that_dies_while_nothing_runs_ends_nothing(d: Debuggee) -> None:
    d.type(f"{HEAD}\nloader = DataLoader(range(64), 2, num_workers=1)")
    d.type("it = iter(loader); next(it)")
    worker = d.look(p.AskLoader(expression="loader")).processes[0].pid
    os.kill(worker, signal.SIGKILL)
    message = d.link.receive()
    assert isinstance(message, protocol.Tell)
    assert "is killed by signal" in message.record.message
    assert f"Worker 0 (pid {worker}) was killed by SIGKILL" in message.record.hint
    assert d.value("5") == "5"


def test_a_worker_that_dies_at_a_stop_is_told_and_met_when_it_goes_on(d: Debuggee) -> None:
    d.type(f"{HEAD}\nloader = DataLoader(range(64), 2, num_workers=1)")
    d.break_at("batch 3")
    d.type("for each in loader: pass")
    worker = d.look(p.AskLoader(expression="loader")).processes[0].pid
    os.kill(worker, signal.SIGKILL)
    message = d.link.receive()
    assert isinstance(message, protocol.Tell)
    assert d.value("batch.tolist()") == "[6, 7]"
    last = d.cont()[-1]
    assert isinstance(last, model.Error)
    assert f"Worker 0 (pid {worker}) was killed by SIGKILL" in last.hint
