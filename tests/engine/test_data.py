"""Loaders, batches and samples: what is said of them is what torch gives, and nothing is drawn."""

from __future__ import annotations

import json
from typing import Any

import pytest
from debuggee import Debuggee

from gradrepl import model
from gradrepl import protocol as p

DIGITS = """
import random, numpy
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset, Subset, IterableDataset, get_worker_info
class Digits(Dataset):
    def __init__(self, transform=None):
        found = load_digits()
        self.images = torch.tensor(found.images, dtype=torch.float32) / 16
        self.labels, self.transform = found.target, transform
    def __len__(self):
        return len(self.images)
    def __getitem__(self, index):
        image = self.images[index][None]
        return (self.transform(image) if self.transform else image), int(self.labels[index])
digits = Digits()
"""
STATES = "repr([hash(str(torch.get_rng_state().tolist())), hash(random.getstate()), " \
         "hash(str(numpy.random.get_state()[1].tolist())), own.initial_seed(), " \
         "hash(str(own.get_state().tolist()))])"  # fmt: skip
LOADERS = {
    "plain": "batch_size=64",
    "shuffled": "batch_size=64, shuffle=True",
    "dropped": "batch_size=64, shuffle=True, drop_last=True",
    "own generator": "batch_size=64, shuffle=True, generator=own",
    "workers": "batch_size=64, shuffle=True, num_workers=2",
    "workers, own generator": "batch_size=64, shuffle=True, num_workers=1, generator=own",
    "persistent": "batch_size=64, shuffle=True, num_workers=1, persistent_workers=True",
    "weighted": "batch_size=64, sampler=torch.utils.data.WeightedRandomSampler([1.0] * 1797, 900)",
    "replaced": "batch_size=64, sampler=torch.utils.data.RandomSampler(digits, True, 1000)",
    "subset": "batch_size=64, sampler=torch.utils.data.SubsetRandomSampler(range(5, 1500))",
    "one by one": "batch_size=None, shuffle=True",
    "stranger": "batch_sampler=Mine(1797)",
}
MINE = """
class Mine:
    def __init__(self, length):
        self.length, self.passes = length, 0
    def __iter__(self):
        self.passes += 1
        order = torch.randperm(self.length).tolist()
        return iter([order[at:at + 50] for at in range(self.passes, self.length, 50)])
    def __len__(self):
        return self.length // 50
"""


def ask(d: Debuggee, request: p.Request, kind: type[Any]) -> Any:
    found = d.look(request)
    assert isinstance(found, kind), found
    return found


def loader(d: Debuggee, expression: str = "loader") -> model.Loader:
    return ask(d, p.AskLoader(expression=expression), model.Loader)


def batch(d: Debuggee, number: int | None = None) -> model.Batch:
    return ask(d, p.AskBatch(number=number), model.Batch)


def sample(d: Debuggee, index: Any) -> model.Sample:
    return ask(d, p.AskSample(index=str(index)), model.Sample)


def refused(d: Debuggee, request: p.Request) -> model.Error:
    return ask(d, request, model.Error)


def make(d: Debuggee, arguments: str, dataset: str = "digits") -> None:
    said = d.type(f"{DIGITS}\n{MINE}\nown = torch.Generator().manual_seed(5)\n"
                  f"loader = DataLoader({dataset}, {arguments})")  # fmt: skip
    assert said is None, said


@pytest.mark.parametrize("arguments", LOADERS.values(), ids=LOADERS)
def test_a_batch_has_the_indices_that_the_loop_will_get(d: Debuggee, arguments: str) -> None:
    make(d, arguments)
    d.type(
        "class Numbered(Dataset):\n"
        "    def __len__(self): return 1797\n"
        "    def __getitem__(self, index): return index\n"
        f"loader = DataLoader(Numbered(), {arguments.replace('digits', 'Numbered()')})"
    )
    before = d.value(STATES, full=True)
    assert loader(d).name == "loader"
    told = [batch(d, number) for number in (3, 0, 7)]
    following = batch(d)
    assert d.value(STATES, full=True) == before
    d.type(
        "got = [numpy.atleast_1d(numpy.array(each)).tolist() for each in loader]\n"
        "del loader._iterator"
    )
    for each in told:
        assert list(map(int, each.indices)) == json.loads(d.value(f"got[{each.number}]", full=True))
    assert following.number == 8
    again = refused(d, p.AskBatch(number=5000))
    assert "batch 5000" in again.message


def test_a_loader_in_the_middle_of_its_epoch(d: Debuggee) -> None:
    make(d, "batch_size=64, shuffle=True, num_workers=1")
    d.type("going = iter(loader)\nfirst = next(going)")
    told = loader(d)
    assert (told.batch, told.iterating, told.watched) == (0, True, False)
    (worker,) = told.processes
    assert worker.alive
    assert worker.pid == int(d.value("going._workers[0].pid"))
    rebuilt = batch(d, 4)
    assert rebuilt.how.startswith("from the order that the sampler has drawn")
    d.type("rest = [first, *going]\ndel going")
    labels = json.loads(d.value("rest[4][1].tolist()", full=True))
    by_place = sorted(rebuilt.rows, key=lambda row: row.place)
    assert [int(row.label) for row in by_place] == labels


def test_settings_and_which_have_no_effect(d: Debuggee) -> None:
    make(d, "batch_size=64, pin_memory=True, worker_init_fn=print")
    told = loader(d)
    assert (told.dataset, told.length, told.batches, told.batch_size) == ("Digits", 1797, 29, 64)
    assert (told.workers, told.start_method, told.sampler) == (0, "", "SequentialSampler")
    without = {each.name for each in told.settings if each.without_effect}
    assert {"pin_memory", "worker_init_fn", "prefetch_factor"} <= without
    assert any("pin_memory=True has no effect" in each.message for each in told.findings)
    make(d, "batch_size=8, num_workers=2, multiprocessing_context='spawn', prefetch_factor=4")
    told = loader(d)
    assert (told.start_method, told.workers) == ("spawn", 2)
    assert "4" in [each.value for each in told.settings if each.name == "prefetch_factor"]


def test_which_loader_is_meant(d: Debuggee) -> None:
    make(d, "batch_size=64")
    assert "is a Digits, not a DataLoader" in refused(d, p.AskLoader(expression="digits")).message
    assert loader(d, "DataLoader(digits, batch_size=2) if 0 else loader").batches == 29


def test_odd_samples_come_first_and_say_what_is_odd(d: Debuggee) -> None:
    make(d, "batch_size=8")
    d.type("""
import time
class Odd(Dataset):
    def __len__(self): return 8
    def __getitem__(self, index):
        image = torch.rand(1, 6, 6)
        if index == 2: image = image[:, :, :5]
        if index == 3: image = image.double()
        if index == 4: image[0, 0, 0] = float("nan")
        if index == 5: image = torch.full((1, 6, 6), 0.5)
        if index == 6: image = image * 255
        if index == 7: time.sleep(0.05)
        return {"image": image, "label": index % 2, "name": f"n{index}"}
loader = DataLoader(Odd(), batch_size=8)""")
    loader(d)
    told = batch(d, 0)
    words = {row.index: row.odd for row in told.rows}
    assert "slow" in words["7"]
    words = {index: tuple(word for word in odd if word != "slow") for index, odd in words.items()}
    assert words == {
        "0": (), "1": (), "2": ("other shape",), "3": ("other dtype",), "4": ("nan",),
        "5": ("constant",), "6": ("other range",), "7": (),
    }  # fmt: skip
    assert [bool(row.odd) for row in told.rows][:6] == [True] * 6
    assert told.problem == ("dataset[2] part 'image' has shape (1, 6, 5), 7 others (1, 6, 6): they "
                            "cannot be made into one batch. So is 1 more.")  # fmt: skip
    assert told.error.startswith("RuntimeError: stack expects each tensor to be equal size")
    assert [part.key for part in told.rows[0].parts] == ["image", "label", "name"]
    assert dict(told.labels) == {"0": 4, "1": 4}


def test_a_sample_that_raises_or_lacks_a_key_is_named(d: Debuggee) -> None:
    make(d, "batch_size=4")
    d.type("""
class Broken(Dataset):
    def __len__(self): return 8
    def __getitem__(self, index):
        if index == 6: raise KeyError("wing")
        found = {"a": torch.ones(2) * index, "b": index}
        if index == 1: del found["b"]
        return found
loader = DataLoader(Broken(), batch_size=4)""")
    loader(d)
    assert batch(d, 0).problem.startswith("dataset[1] lacks 'b': they cannot be made into one")
    told = batch(d, 1)
    assert told.problem == "dataset[6] raises KeyError: 'wing'."
    assert [row.error for row in told.rows][:1] == ["KeyError: 'wing'"]
    assert refused(d, p.AskSample(index="6")).kind == "KeyError"


def test_parts_of_nested_samples(d: Debuggee) -> None:
    make(d, "batch_size=2")
    d.type("""
import collections, dataclasses
Pair = collections.namedtuple("Pair", "left right")
@dataclasses.dataclass
class Point:
    x: float
    tokens: list
class Nested(Dataset):
    def __len__(self): return 4
    def __getitem__(self, index):
        return {"pair": Pair(torch.ones(3), numpy.zeros((2, 2))),
                "point": Point(0.5, [1, 2, 3]), "more": (None, "text", True)}
loader = DataLoader(Nested(), batch_size=2, collate_fn=list)""")
    loader(d)
    found = sample(d, 1)
    assert [(part.key, part.kind, part.shape) for part in found.parts] == [
        ("pair.left", "tensor", (3,)), ("pair.right", "array", (2, 2)), ("point.x", "float", None),
        ("point.tokens", "list", (3,)), ("more.0", "None", None), ("more.1", "str", (4,)),
        ("more.2", "bool", None),
    ]  # fmt: skip
    assert found.parts[3].values == (1.0, 2.0, 3.0)


def test_a_picture_is_the_image_and_the_figures_are_torchs(d: Debuggee) -> None:
    make(d, "batch_size=64")
    loader(d)
    found = sample(d, 3)
    image = found.parts[0]
    assert (found.label, image.shape) == ("3", (1, 8, 8))
    wanted = json.loads(d.value("(digits[3][0][0] * 255).round().int().tolist()", full=True))
    assert [list(row) for row in image.lines] == wanted
    assert image.stats is not None
    assert image.stats.mean == pytest.approx(float(d.value("digits[3][0].mean().item()")))
    d.type("big = torch.rand(3, 300, 200)\nloader = DataLoader([(big, 1)], batch_size=1)")
    loader(d)
    lines = sample(d, 0).parts[0].lines
    assert (len(lines), len(lines[0])) == (32, 32)


def test_the_step_that_made_the_first_nan(d: Debuggee) -> None:
    make(d, "batch_size=4")
    d.type("""
class Compose:
    def __init__(self, *transforms): self.transforms = list(transforms)
    def __call__(self, x):
        for each in self.transforms: x = each(x)
        return x
def centre(x): return x - 0.5
def root(x): return x.sqrt()
def double(x): return x * 2
digits = Digits(Compose(centre, root, double))
loader = DataLoader(Subset(digits, range(100)), batch_size=4)
kept = digits.transform.transforms[:]""")
    loader(d)
    found = sample(d, 3)
    assert [(step.name, step.first_nan, bool(step.nans)) for step in found.steps] == [
        ("centre", False, False), ("root", True, True), ("double", False, True),
    ]  # fmt: skip
    assert found.steps[1].where == "dataset.transform.transforms[1]"
    assert any("first NaN is made by root" in note for note in found.notes)
    assert d.value("digits.transform.transforms == kept") == "True"


def test_random_samples_say_so_and_draw_nothing_from_the_program(d: Debuggee) -> None:
    make(d, "batch_size=4, num_workers=2")
    d.type("""
class Noisy(Dataset):
    def __len__(self): return 8
    def __getitem__(self, index):
        own.seed
        return torch.rand(2) + random.random() + numpy.random.rand(), torch.rand(1, generator=own)
loader = DataLoader(Noisy(), batch_size=4, num_workers=2)""")
    before = d.value(STATES, full=True)
    loader(d)
    found = sample(d, 0)
    assert {"torch", "random", "numpy", "own"} <= set(found.random)
    assert found.worker == 0
    batch(d, 1)
    assert d.value(STATES, full=True) == before


def test_the_first_batch_of_a_worker_is_drawn_as_the_worker_draws_it(d: Debuggee) -> None:
    make(d, "batch_size=4")
    d.type("""
class Noisy(Dataset):
    def __len__(self): return 16
    def __getitem__(self, index):
        return torch.rand(1).item() + numpy.random.rand() + random.random(), get_worker_info().id
loader = DataLoader(Noisy(), batch_size=4, shuffle=True, num_workers=2)""")
    loader(d)
    told = [batch(d, number) for number in (0, 1)]
    assert all("draws random" not in note for each in told for note in each.notes)
    assert "draws random" in batch(d, 2).notes[0]
    d.type("got = list(loader)")
    for each in told:
        wanted = json.loads(d.value(f"got[{each.number}][0].tolist()", full=True))
        rows = sorted(each.rows, key=lambda row: row.place)
        assert [row.parts[0].stats.min for row in rows] == wanted  # type: ignore[union-attr]


def test_fetch_stops_at_the_first_op_of_the_sample(d: Debuggee) -> None:
    make(d, "batch_size=4, num_workers=1")
    loader(d)
    before = d.value(STATES, full=True)
    stop = d.run(p.FetchSample(index="3"))[-1]
    assert isinstance(stop, model.Stop)
    assert stop.op is not None
    assert d.prompt is not None
    assert d.prompt.state == "forward"
    found = d.cont()[-1]
    assert isinstance(found, model.Sample)
    assert (found.label, found.worker) == ("3", 0)
    assert d.value(STATES, full=True) == before
    assert d.value("get_worker_info()") == "None"


def test_an_iterable_dataset_is_taken_batch_after_batch(d: Debuggee) -> None:
    make(d, "batch_size=4")
    d.type("""
class Lines(IterableDataset):
    def __iter__(self):
        return iter([(float(n), n) for n in range(10)])
lines = Lines()
loader = DataLoader(lines, batch_size=4)""")
    told = loader(d)
    assert (told.dataset_kind, told.batches, told.length) == ("iterable", None, None)
    assert [row.label for row in batch(d).rows] == ["0", "1", "2", "3"]
    assert "ends before batch 7" in refused(d, p.AskBatch(number=7)).message
    assert [row.label for row in batch(d, 1).rows] == ["4", "5", "6", "7"]
    assert batch(d).size == 2
    assert "ends before batch 3" in refused(d, p.AskBatch()).message
    assert "IterableDataset" in refused(d, p.AskSample(index="0")).message


def test_a_sampler_that_would_be_used_up_is_asked_in_a_copy(d: Debuggee) -> None:
    make(d, "batch_size=4")
    for sampler in ("(n for n in range(20))", "iter(range(20))"):
        d.type(f"loader = DataLoader(digits, batch_size=4, sampler={sampler})")
        loader(d)
        assert batch(d, 1).indices == ("4", "5", "6", "7")
        assert d.value("len(list(loader))") == "5"


def test_a_strangers_sampler_keeps_what_it_counts(d: Debuggee) -> None:
    make(d, "batch_sampler=Mine(1797)")
    loader(d)
    batch(d, 2)
    assert d.value("loader.batch_sampler.passes") == "0"


@pytest.mark.parametrize("workers", [0, 2])
def test_the_batch_after_a_crash_is_the_one_that_raised(d: Debuggee, workers: int) -> None:
    make(d, "batch_size=4")
    d.type(f"""
class Broken(Dataset):
    def __len__(self): return 16
    def __getitem__(self, index):
        if index == 9: raise KeyError("nine")
        return torch.zeros(2)
loader = DataLoader(Broken(), batch_size=4, num_workers={workers})
it = iter(loader)""")
    assert "KeyError" in d.type("for each in it: pass").message
    assert loader(d).name == "loader"
    told = batch(d)
    assert (told.number, told.rows[0].index) == (2, "9")
    assert told.problem.startswith("dataset[9] raises KeyError")
    d.type("del it")


def test_a_callers_loader_is_taken_by_the_name_that_is_told(d: Debuggee) -> None:
    make(d, "batch_size=64")
    d.type("""
del loader
def step(batch):
    return batch[0] * 2
def fit(mine):
    for batch in mine:
        step(batch)
""")
    stop = d.type("fit(DataLoader(digits, batch_size=64))", stepped=True)
    assert isinstance(stop, model.Stop)
    d.until("op mul")
    told = ask(d, p.AskLoader(), model.Loader)
    assert told.name == "mine"
    assert loader(d, "mine").name == "mine"
    assert "NameError" in refused(d, p.AskLoader(expression="theirs")).message
    d.run(p.Abort())


def test_persistent_workers_have_an_older_dataset(d: Debuggee) -> None:
    make(d, "batch_size=64, num_workers=1, persistent_workers=True")
    loader(d)
    assert batch(d, 0).notes == ()
    d.type("for each in loader: pass")
    for told in (batch(d, 0), sample(d, 3)):
        assert "copies from when they started" in " ".join(told.notes)
    d.type("del loader")


@pytest.mark.parametrize(
    "arguments", ["batch_size=4", "batch_size=4, num_workers=2", "batch_size=None"]
)
def test_a_loader_without_a_name_is_known_by_its_loop(d: Debuggee, arguments: str) -> None:
    make(d, "batch_size=4")
    d.type("del loader")
    assert "No DataLoader found" in refused(d, p.AskLoader()).message
    d.type(f"it = iter(DataLoader(digits, {arguments}))\nfirst = [next(it), next(it)]")
    told = ask(d, p.AskLoader(), model.Loader)
    assert (told.name, told.length, told.batch) == ("unnamed", 1797, 1)
    assert told.workers == ("2" in arguments) * 2
    assert loader(d, "unnamed").name == "unnamed"
    assert batch(d, 2).indices == (("2",) if "None" in arguments else ("8", "9", "10", "11"))
    assert sample(d, 3).label == "3"
    d.type("del it")
