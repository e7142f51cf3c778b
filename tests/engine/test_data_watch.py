"""Loops of the program over its loaders: seen as they are, and the same with and without us."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from debuggee import ROOT, Debuggee, debuggee

from gradrepl import model
from gradrepl import protocol as p

NUMBERED = """
from torch.utils.data import DataLoader, Dataset, IterableDataset
class Numbered(Dataset):
    def __len__(self):
        return 40
    def __getitem__(self, index):
        return torch.full((2,), float(index)), index % 10
"""
LOOP = """
got = []
for epoch in range(2):
    for x, y in loader:
        got.append((x[:, 0].int().tolist(), y.tolist()))
"""
DUMPED = "__import__('json').dumps(got)"
PATCHED = (
    "[name for kind in (torch.utils.data.dataloader._BaseDataLoaderIter, "
    "torch.utils.data.dataloader._SingleProcessDataLoaderIter, "
    "torch.utils.data.dataloader._MultiProcessingDataLoaderIter) "
    "for name, value in vars(kind).items() if hasattr(value, '__wrapped__') "
    "and name not in ('_clean_up_persistent_workers_atexit', '_clean_up_worker')]"
)
KINDS = {
    "here": "shuffle=True",
    "workers": "shuffle=True, num_workers=2",
    "persistent": "shuffle=True, num_workers=2, persistent_workers=True",
    "one worker, in any order": "shuffle=True, num_workers=2, in_order=False",
}


def watch(d: Debuggee, off: bool = False) -> model.LoaderWatch:
    found = d.look(p.WatchLoaders(off=off))
    assert isinstance(found, model.LoaderWatch), found
    return found


def loader(d: Debuggee) -> model.Loader:
    found = d.look(p.AskLoader(expression="loader"))
    assert isinstance(found, model.Loader), found
    return found


def rebuilt(d: Debuggee, number: int) -> model.Batch:
    found = d.look(p.AskBatch(number=number))
    assert isinstance(found, model.Batch), found
    return found


@pytest.mark.parametrize("arguments", KINDS.values(), ids=KINDS)
def test_what_the_loop_got_is_noted(d: Debuggee, arguments: str) -> None:
    d.type(f"{NUMBERED}\nloader = DataLoader(Numbered(), 4, {arguments})")
    assert d.value(PATCHED) == "[]"
    assert watch(d).on
    assert d.value(PATCHED) != "[]"
    d.type(LOOP)
    told = loader(d)
    got = [pair[0] for pair in json.loads(d.value(DUMPED, full=True)[1:-1])]
    assert [list(map(int, each.indices)) for each in told.seen] == got
    assert [(each.epoch, each.number) for each in told.seen] == [
        (epoch, number) for epoch in range(2) for number in range(10)
    ]
    assert (told.epoch, told.batch, told.watched, told.iterating) == (1, 9, True, False)
    workers = {each.worker for each in told.seen}
    assert workers == ({0, 1} if "num_workers=2" in arguments else {None})
    seen = rebuilt(d, 6)
    assert (seen.epoch, seen.how) == (1, "as the program's loop got it")
    assert list(map(int, seen.indices)) == got[16]
    assert not watch(d, off=True).on
    assert d.value(PATCHED) == "[]"


SOME_FAIL = NUMBERED.replace(
    "return torch.full", "assert index % 7, index\n        return torch.full"
)
GOES_ON = """
got, left = [], iter(loader)
while True:
    try:
        x, y = next(left)
    except AssertionError:
        continue
    except StopIteration:
        break
    got.append(x[:, 0].int().tolist())
"""


@pytest.mark.parametrize("arguments", KINDS.values(), ids=KINDS)
def test_batches_that_cannot_be_fetched_are_passed_over(d: Debuggee, arguments: str) -> None:
    d.type(f"{SOME_FAIL}\nloader = DataLoader(Numbered(), 3, {arguments})")
    watch(d)
    d.type(GOES_ON)
    got = json.loads(d.value(DUMPED, full=True)[1:-1])
    assert 5 < len(got) < 13
    assert [list(map(int, each.indices)) for each in loader(d).seen] == got


ENDLESS = """
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
class Unequal(IterableDataset):
    def __iter__(self):
        first = get_worker_info().id * 100
        yield from range(first, first + (14 if first else 5))
"""


@pytest.mark.parametrize("in_order", [True, False])
def test_the_worker_of_each_batch_when_they_end_one_by_one(d: Debuggee, in_order: bool) -> None:
    d.type(f"{ENDLESS}\nloader = DataLoader(Unequal(), 3, num_workers=2, in_order={in_order})")
    watch(d)
    d.type("got = [x.tolist() for x in loader]")
    got = json.loads(d.value(DUMPED, full=True)[1:-1])
    assert sorted(index for batch in got for index in batch) == [*range(5), *range(100, 114)]
    assert [each.worker for each in loader(d).seen] == [batch[0] // 100 for batch in got]


@pytest.mark.parametrize("arguments", list(KINDS.values())[:3], ids=list(KINDS)[:3])
def test_a_later_batch_of_a_watched_epoch_is_rebuilt(d: Debuggee, arguments: str) -> None:
    d.type(f"{NUMBERED}\nloader = DataLoader(Numbered(), 4, {arguments})")
    d.break_at("batch 2, epoch == 1")
    d.type(LOOP)
    (stop,) = d.stops()
    assert stop.reason.endswith(": batch 2, epoch == 1")
    assert stop.site is not None
    assert stop.site.text == "for x, y in loader:"
    told = rebuilt(d, 8)
    assert told.how.startswith("rebuilt from the sampler's generator")
    loader(d)
    d.cont()
    got = json.loads(d.value("__import__('json').dumps(got[18][0])")[1:-1])
    assert list(map(int, told.indices)) == got


def test_a_stop_at_a_batch_has_the_batch(d: Debuggee) -> None:
    d.type(f"{NUMBERED}\nloader = DataLoader(Numbered(), 4)")
    d.break_at("batch 3")
    d.type("def loop():\n    for x, y in loader:\n        z = x.sum()\n    return 5")
    d.type("loop()")
    assert d.value("indices") == "[12, 13, 14, 15]"
    assert d.value("batch[1].tolist()") == "[2, 3, 4, 5]"
    told = loader(d)
    assert (told.batch, told.iterating) == (3, True)
    last = d.cont()[-1]
    assert isinstance(last, model.Value)
    assert last.text == "5"
    assert "batch" not in d.value("sorted(globals())")


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("index 17", [[16, 17, 18, 19]]),
        ("label 3", [[0, 1, 2, 3], [12, 13, 14, 15], [20, 21, 22, 23], [32, 33, 34, 35]]),
        ("batch 1 or batch 2", [[4, 5, 6, 7], [8, 9, 10, 11]]),
        ("batch 4 and index 17", [[16, 17, 18, 19]]),
        ("label 0, len(batch) == 2 and 30 in indices", [[28, 29, 30, 31]]),
    ],
)
def test_conditions_on_batches(d: Debuggee, condition: str, wanted: list[list[int]]) -> None:
    d.type(f"{NUMBERED}\nloader = DataLoader(Numbered(), 4)")
    d.break_at(condition)
    d.type("for x, y in loader:\n    pass")
    found = []
    while d.prompt is not None and d.prompt.state != "idle":
        found.append(json.loads(d.value("indices")))
        d.cont()
    assert found == wanted
    d.look(p.ChangeBreakpoint(id=0, action="clear"))
    assert d.value(PATCHED) == "[]"


def test_labels_of_dicts_and_texts(d: Debuggee) -> None:
    d.type(f"""{NUMBERED}
class Named(Numbered):
    def __getitem__(self, index):
        return {{"label": "cat" if index == 9 else "dog", "x": index}}
loader = DataLoader(Named(), 4)""")
    d.break_at("label cat")
    d.type("for each in loader: pass")
    assert d.value("batch['x'].tolist()") == "[8, 9, 10, 11]"


def test_an_iterable_datasets_batches_are_counted(d: Debuggee) -> None:
    d.type(f"""{NUMBERED}
class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(10))
loader = DataLoader(Stream(), 4)""")
    d.break_at("batch 1")
    d.type("for each in loader: pass")
    assert d.value("batch.tolist()") == "[4, 5, 6, 7]"
    d.cont()
    assert d.prompt is not None
    assert d.prompt.state == "idle"


def run_bare(path: Path) -> tuple[str, int]:
    result = subprocess.run([sys.executable, str(path)], capture_output=True, text=True)
    return result.stdout, result.returncode


@pytest.mark.parametrize("name", ["loaders", "workers"])
@pytest.mark.parametrize("armed", ["", "batch 999", "index 999 or label 999"])
def test_a_watched_program_is_the_same_to_the_bit(name: str, armed: str, tmp_path: Path) -> None:
    path = ROOT / "tests" / "programs" / f"{name}.py"
    out = tmp_path / "out"
    with out.open("wb") as stdout, debuggee(stdout=stdout) as d:
        d.load(path)
        assert d.look(p.WatchLoaders()).on
        if armed:
            d.break_at(armed)
        while d.prompt is not None and d.prompt.state != "idle":
            d.cont()
        told = d.look(p.WatchLoaders())
        code = d.quit()
    assert told.batches > 10
    assert (out.read_text(), code) == run_bare(path)


def test_looking_in_the_middle_changes_nothing_either(
    script: Callable[..., Path], tmp_path: Path
) -> None:
    path = ROOT / "tests" / "programs" / "loaders.py"
    out = tmp_path / "out"
    with out.open("wb") as stdout, debuggee(stdout=stdout) as d:
        d.load(path)
        d.break_at("batch 2")
        d.cont()
        stops = 0
        while d.prompt is not None and d.prompt.state != "idle":
            found = d.look(p.AskLoader(expression="loader"))
            assert isinstance(found, model.Loader), found
            for number in (0, 3, 4):
                d.look(p.AskBatch(number=number))
            d.look(p.AskSample(index="7"))
            stops += 1
            d.cont()
        code = d.quit()
    assert stops == 10
    assert (out.read_text(), code) == run_bare(path)
