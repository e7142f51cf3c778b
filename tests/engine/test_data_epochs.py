"""Epochs looked at and run to their end; one batch from memory; steps and workers timed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from debuggee import Debuggee

from gradrepl import model, protocol
from gradrepl import protocol as p
from gradrepl.engine.data import workers
from gradrepl.engine.data.epoch_log import Step, pace_of
from gradrepl.engine.data.epochs import visits
from gradrepl.engine.progress import PATIENT
from gradrepl_loader_lab.records import AskSynthetic, EpochRun, RunEpoch, Synthetic

NUMBERED = """
import time, random
from torch.utils.data import DataLoader, Dataset, IterableDataset, WeightedRandomSampler
class Numbered(Dataset):
    bad = ()
    def __len__(self):
        return 40
    def __getitem__(self, index):
        if index in self.bad:
            raise KeyError(index)
        return torch.full((2,), float(index)) + torch.rand(2) * random.random(), index % 4
"""
KINDS = {
    "here": "shuffle=True",
    "own generator": "shuffle=True, generator=torch.Generator().manual_seed(4)",
    "workers": "shuffle=True, num_workers=2",
    "persistent": "shuffle=True, num_workers=2, persistent_workers=True",
}
DIGEST = (
    "(hash(torch.get_rng_state().numpy().tobytes()), hash(str(random.getstate())), "
    "hash(loader.generator.get_state().numpy().tobytes()) if loader.generator else 0)"
)
CHILDREN = "sorted(each.pid for each in __import__('multiprocessing').active_children())"


def epoch(d: Debuggee, number: int | None = None) -> model.Epoch:
    found = d.look(p.AskEpoch(expression="loader", number=number))
    assert isinstance(found, model.Epoch), found
    return found


def run(d: Debuggee) -> EpochRun:
    found = d.look(RunEpoch(expression="loader"))
    assert isinstance(found, EpochRun), found
    return found


def loader(d: Debuggee) -> model.Loader:
    found = d.look(p.AskLoader(expression="loader"))
    assert isinstance(found, model.Loader), found
    return found


def synthetic(d: Debuggee, action: Any, seconds: float = 0.2) -> Synthetic:
    found = d.look(AskSynthetic(action=action, seconds=seconds))
    assert isinstance(found, Synthetic), found
    return found


def value(d: Debuggee, expression: str) -> Any:
    return json.loads(d.value(f"__import__('json').dumps({expression})", full=True)[1:-1])


def made(d: Debuggee, arguments: str) -> None:
    d.look(p.WatchLoaders(off=True))
    d.type(f"{NUMBERED}\nloader = DataLoader(Numbered(), 4, {arguments})")


# -- what the program has got --------------------------------------------------------------------


@pytest.mark.parametrize("arguments", KINDS.values(), ids=KINDS)
def test_an_epoch_so_far(d: Debuggee, arguments: str) -> None:
    made(d, arguments)
    d.look(p.WatchLoaders())
    d.type("it = iter(loader); got = [next(it)[1].tolist() for _ in range(3)]")
    told = epoch(d)
    assert (told.number, told.batches, told.total) == (0, 3, 10)
    assert (told.samples, told.left, told.length) == (12, 28, 40)
    assert not told.ended
    assert not told.left_off
    assert told.so_far is not None
    assert (told.so_far.samples, told.so_far.different, told.so_far.never) == (12, 12, 28)
    labels = Counter(str(label) for each in value(d, "got") for label in each)
    assert dict(told.labels) == labels
    assert told.labels_of == 12
    assert told.whole is not None
    assert (told.whole.samples, told.whole.repeated, told.whole.never) == (40, 0, 0)
    d.type("got += [each[1].tolist() for each in it]")
    told = epoch(d)
    assert (told.ended, told.batches, told.left) == (True, 10, 0)
    assert told.so_far == told.whole


def test_repeated_and_forgotten_indices(d: Debuggee) -> None:
    made(d, "sampler=WeightedRandomSampler([1.0] * 20 + [0.0] * 20, 30)")
    d.look(p.WatchLoaders())
    d.type("got = [round(x) for b in loader for x in b[0][:, 0].floor().tolist()]")
    indices = [int(i) for each in loader(d).seen for i in each.indices]
    counts = Counter(indices)
    told = epoch(d).so_far
    assert told is not None
    assert told.samples == 30
    assert told.repeated == sum(times > 1 for times in counts.values())
    assert dict(told.repeats) == {str(i): n for i, n in counts.items() if n > 1}
    assert told.never == 40 - len(counts)
    assert told.missing == tuple(str(i) for i in range(40) if i not in counts)[:16]


def test_epochs_by_number_and_one_that_was_left(d: Debuggee) -> None:
    made(d, "num_workers=0")
    assert epoch(d).number is None
    d.look(p.WatchLoaders())
    d.type("for each in loader:\n    break\n[len(b) for b in loader] and None")
    first, second = epoch(d, 0), epoch(d)
    assert (first.number, first.batches, first.left_off) == (0, 1, True)
    assert (second.number, second.batches, second.ended) == (1, 10, True)
    assert second.known == (0, 1)
    error = d.look(p.AskEpoch(number=7))
    assert (error.message, error.hint) == ("epoch 7 of loader was not seen.", "Seen were 0, 1.")


def test_an_epoch_that_began_unseen_is_known_from_its_sampler(d: Debuggee) -> None:
    made(d, "shuffle=True")
    d.type("it = iter(loader); got = [next(it)[1].tolist() for _ in range(2)]")
    told = epoch(d)
    assert (told.number, told.batches, told.samples, told.left) == (None, 2, 8, 32)
    labels = Counter(str(label) for each in value(d, "got") for label in each)
    assert dict(told.labels) == labels


def test_indices_that_are_texts_and_streams(d: Debuggee) -> None:
    made(d, "num_workers=0")
    d.look(p.WatchLoaders())
    d.type("""
class Named(Dataset):
    def __getitem__(self, name): return len(name), name
loader = DataLoader(Named(), 2, sampler=["a", "bb", "a", "c"])
names = [each[1] for each in loader]""")
    told = epoch(d).so_far
    assert told is not None
    assert (told.samples, told.repeats, told.never) == (4, (("'a'", 2),), None)
    d.type("""
class Stream(IterableDataset):
    def __iter__(self): return iter(range(10))
loader = DataLoader(Stream(), 4)
all(True for _ in loader)""")
    stream = epoch(d)
    assert (stream.so_far, stream.whole, stream.total, stream.batches) == (None, None, None, 3)
    assert stream.notes


# -- to the end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", KINDS.values(), ids=KINDS)
def test_a_run_gets_what_the_program_would_and_touches_nothing(d: Debuggee, arguments: str) -> None:
    made(d, arguments)
    before, children = d.value(DIGEST), value(d, CHILDREN)
    told = run(d)
    assert (told.batches, told.total, told.samples, told.failed) == (10, 10, 40, None)
    assert dict(told.labels) == {str(n): 10 for n in range(4)}
    assert "the epoch that would begin now" in told.notes
    assert d.value(DIGEST) == before
    assert set(value(d, CHILDREN)) <= set(children)
    if "persistent" in arguments:
        return  # after an error torch needs ten seconds to end those
    d.type("Numbered.bad = (17, 23)")
    told = run(d)
    assert d.value(DIGEST) == before
    assert told.error.startswith("KeyError: ")
    d.type("n = 0\ntry:\n    for each in loader: n += 1\nexcept KeyError as e: pass")
    assert told.failed == value(d, "n")
    assert told.batches == told.failed
    guilty = told.error.removeprefix("KeyError: ")
    assert guilty in told.indices
    assert guilty in ("17", "23")
    assert f"dataset[{guilty}] raises it" in told.hint
    d.type("Numbered.bad = ()")


def test_the_random_numbers_of_a_run_are_the_programs_own(d: Debuggee, tmp_path: Path) -> None:
    made(d, "shuffle=True, num_workers=2")
    path = tmp_path / "said"
    d.type(f"""
def noted(samples):
    with open({str(path)!r}, "a") as file:
        file.write(str([x.tolist() for x, _ in samples]) + "\\n")
    return torch.zeros(1)
loader.collate_fn = noted""")
    run(d)
    copied = sorted(path.read_text().splitlines())
    path.unlink()
    d.type("for each in loader: pass")
    assert len(copied) == 10
    assert sorted(path.read_text().splitlines()) == copied


def test_a_run_in_the_middle_of_an_epoch_is_of_that_epoch(d: Debuggee) -> None:
    made(d, "shuffle=True, num_workers=2, persistent_workers=True")
    d.look(p.WatchLoaders())
    d.type("all(True for _ in loader)\nit = iter(loader); next(it)")
    coming = [each.indices for each in (d.look(p.AskBatch(number=n)) for n in (4, 5))]
    d.type(f"Numbered.bad = ({coming[1][2]},)")
    told = run(d)
    assert (told.failed, told.indices) == (5, coming[1])
    assert "epoch 1, which the program is in" in told.notes
    d.type("Numbered.bad = ()\nit = loader = None")


def test_what_a_run_uses_up_is_left_to_the_program(d: Debuggee) -> None:
    made(d, "num_workers=0")
    d.type("""
class Once(IterableDataset):
    def __init__(self): self.rest = iter(range(10))
    def __iter__(self): return self
    def __next__(self): return next(self.rest)
loader = DataLoader(Once(), 2)""")
    told = d.look(RunEpoch(expression="loader"))
    assert isinstance(told, EpochRun)
    assert told.samples == 10
    assert value(d, "[each.tolist() for each in loader]")[-1] == [8, 9]


def asked(d: Debuggee, request: protocol.Request, interrupt: bool) -> tuple[Any, list[Any]]:
    """Ask, Ctrl-C at the first news of progress; return the answer, and what was told."""
    number = d.send(request)
    told: list[Any] = []
    while (message := d.link.receive()) is not None:
        if isinstance(message, protocol.Tell):
            told.append(message.record)
            if interrupt and len(told) == 1:
                d.process.send_signal(signal.SIGINT)
        if isinstance(message, protocol.Answer) and message.id == number:
            return message.record, told
    raise AssertionError("no answer")


SLOW = """
class Slow(Numbered):
    def __len__(self): return 400
    def __getitem__(self, index):
        time.sleep(0.02 if index < 300 else 60)
        return index, index % 4
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_progress_is_told_and_ctrl_c_ends_a_run(d: Debuggee, workers: int) -> None:
    made(d, "num_workers=0")
    d.type(f"{SLOW}\nloader = DataLoader(Slow(), 2, num_workers={workers})")
    children = value(d, CHILDREN)
    answer, told = asked(d, RunEpoch(expression="loader"), interrupt=True)
    assert isinstance(answer, EpochRun), answer
    assert answer.stopped
    assert answer.batches < 200
    assert all(isinstance(each, model.Progress) for each in told)
    assert (told[0].what, told[0].total, told[0].over) == ("epoch of loader", 200, False)
    assert 0 < told[0].done <= answer.batches == told[-1].done
    assert told[0].seconds >= 0.5
    assert [each.over for each in told] == [False] * (len(told) - 1) + [True]
    assert d.value("5") == "5"
    assert set(value(d, CHILDREN)) <= set(children)


def test_a_worker_that_hangs_does_not_hold_a_run(d: Debuggee) -> None:
    made(d, "num_workers=0")
    d.type(f"{SLOW}\nloader = DataLoader(Slow(), 2, sampler=[1, 2, 300, 301], num_workers=1)")
    children = value(d, CHILDREN)
    answer, _ = asked(d, RunEpoch(expression="loader"), interrupt=True)
    assert (answer.stopped, answer.batches) == (True, 1)
    assert set(value(d, CHILDREN)) <= set(children)


def test_what_is_quick_tells_nothing_of_its_progress(d: Debuggee) -> None:
    made(d, "num_workers=0")
    answer, told = asked(d, RunEpoch(expression="loader"), interrupt=False)
    assert answer.batches == 10
    assert [each for each in told if each.seconds < PATIENT] == []


# -- one batch from memory -----------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [KINDS["here"], KINDS["workers"], KINDS["persistent"]])
def test_one_batch_from_memory_in_the_programs_own_loop(d: Debuggee, arguments: str) -> None:
    made(d, arguments)
    d.type("it = iter(loader); a = [next(it) for _ in range(2)]")
    before = d.value(DIGEST)
    told = synthetic(d, "on")
    assert told.on
    assert told.batch == "(4, 2) float32, (4,) int64"
    assert told.notes[0].startswith("the program's batches are replaced: it gets")
    assert d.value(DIGEST) == before
    assert loader(d).synthetic
    d.type("a += [next(it) for _ in range(8)]\nb = [each for each in loader]; rest = list(it)")
    assert value(d, "[len(a), len(set(map(id, a))), len(b), len(rest)]") == [10, 3, 10, 0]
    assert value(d, "[b[0] is a[-1], b[0] is a[0], type(b[0]).__name__]") == [True, False, "list"]
    assert value(d, "[list(b[0][0].shape), str(b[0][1].dtype)]") == [[4, 2], "torch.int64"]
    told = synthetic(d, "off")
    assert not told.on
    assert told.with_memory is not None
    d.type("c = [each for each in loader]")
    assert value(d, "[len(c), len({id(each) for each in c})]") == [10, 10]
    assert sorted(value(d, "[i for x, y in c for i in y.tolist()]")) == sorted([0, 1, 2, 3] * 10)
    assert not loader(d).synthetic
    error = d.look(AskSynthetic(action="off"))
    assert error.message == "no loader is replaced."
    d.look(p.WatchLoaders(off=True))
    assert d.value(
        "'__wrapped__' in vars(DataLoader.__iter__), DataLoader.__iter__.__module__"
    ) == ("(False, 'torch.utils.data.dataloader')")


def test_memory_goes_when_nobody_watches_any_more(d: Debuggee) -> None:
    made(d, "num_workers=0")
    d.type("it = iter(loader); a = next(it)")
    synthetic(d, "on")
    d.type("inner = iter(loader); a = next(inner)")
    d.look(p.WatchLoaders(off=True))
    assert d.value("DataLoader.__iter__.__module__") == "'torch.utils.data.dataloader'"
    d.type("rest = list(it); more = list(inner)")
    assert value(d, "[len(set(map(id, rest))), len(set(map(id, more)))]") == [9, 9]


def test_a_loader_against_memory(d: Debuggee) -> None:
    made(d, "shuffle=True")
    d.look(p.WatchLoaders())
    d.type("for each in loader: pass")
    before = d.value(DIGEST)
    told = synthetic(d, "measure")
    assert told.real is not None
    assert told.memory is not None
    assert told.memory_batches > told.real_batches > 10
    assert not told.on
    assert told.with_loader is not None
    assert told.with_loader.batches == 9
    assert told.verdict.startswith("loader-bound: ")  # the loop does nothing
    assert d.value(DIGEST) == before
    d.look(p.WatchLoaders(off=True))


def test_the_copy_to_the_device_is_measured_in_the_program(d: Debuggee) -> None:
    made(d, "shuffle=True")
    told = d.look(AskSynthetic(expression="loader", seconds=0.05, chosen="meta"))
    assert isinstance(told, Synthetic), told
    assert (told.device, told.nbytes) == ("meta", 4 * 2 * 4 + 4 * 8)
    assert told.to_device is not None


def test_a_loader_that_cannot_be_measured(d: Debuggee) -> None:
    made(d, "num_workers=2")
    d.type("Numbered.bad = range(40)")
    told = synthetic(d, "measure")
    assert told.verdict.startswith("it cannot be measured: KeyError: ")
    assert told.verdict.count("\n") == 0
    d.type("Numbered.bad = ()")


# -- steps and workers ---------------------------------------------------------------------------


def test_the_pace_leaves_out_what_a_stop_took(d: Debuggee) -> None:
    made(d, "shuffle=True, num_workers=2")
    d.break_at("batch 5")
    d.type("for each in loader: pass")
    begun = time.monotonic()
    while loader(d).ready != 4:  # they are fetched while the program stands still
        assert time.monotonic() < begun + 20
    told = loader(d)
    assert [each.batch for each in told.processes] == [None, None]
    assert told.pace is not None
    assert (told.pace.batches, told.pace.room) == (5, 4)
    assert all(0 <= each.ready <= 4 for each in told.seen if each.ready is not None)
    d.cont()
    told = loader(d)
    assert told.pace is not None
    assert told.pace.batches == 8  # of ten: not the first, and not the one stopped at
    assert told.pace.step < time.monotonic() - begun
    d.look(p.ChangeBreakpoint(id=0, action="clear"))


def test_how_busy_workers_are(d: Debuggee) -> None:
    made(d, "num_workers=2")
    d.type("it = iter(loader); next(it)")
    workers = loader(d).processes
    assert len(workers) == 2
    for each in workers:
        assert each.busy is not None
        assert each.busy_over is not None
        assert 0 <= each.busy * each.busy_over < 60
    d.type("it = None")


def test_the_mean_of_steps() -> None:
    steps = [Step(0.010, 0.008, 0), Step(0.020, 0.012, 1), Step(0.030, 0.010, 2)]
    told = pace_of(steps, 4, 0.3)
    assert told == model.Pace(
        batches=3, step=pytest.approx(0.02), wait=pytest.approx(0.01), ready=1.0, room=4,
        verdict="loader-bound: 50% of the step is waiting for data.",
    )  # fmt: skip
    assert pace_of(steps[:2], 4, 0.3) is None
    quick = pace_of([Step(1.0, 0.03, None)] * 3, None, 0.3)
    assert quick is not None
    assert quick.verdict == "the loader keeps up: 3% of the step is waiting for data."
    assert quick.ready is None
    some = pace_of([Step(1.0, 0.4, None)] * 3, None, 0.3)
    assert some is not None
    assert some.verdict.startswith("the program's own work takes more: 40% of the step")


def test_what_a_process_computed() -> None:
    before = workers.computed(os.getpid())
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = workers.computed(os.getpid())
    assert before is not None
    assert after is not None
    assert 0.05 < after[0] - before[0] < 5
    assert after[1] >= after[0] * 0.5


def test_without_proc_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PROC", "/nowhere")
    assert not workers.can_tell()
    assert workers.computed(os.getpid()) is None


def test_negative_indices_are_counted_from_the_end() -> None:
    found = visits(Counter([-1, 3, 0]), 4)
    assert (found.samples, found.repeats, found.never) == (3, (("3", 2),), 2)
    assert found.missing == ("1", "2")
