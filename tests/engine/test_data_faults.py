"""Faults that raise nothing: each is found where it is, and not where it is not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from debuggee import SECONDS, Debuggee, debuggee

from gradrepl import model
from gradrepl import protocol as p
from gradrepl_loader_lab.records import TuneLoader

HEAD = """
import os, random, numpy, signal
from torch.utils.data import DataLoader, Dataset, Subset, WeightedRandomSampler
class Base(Dataset):
    def __init__(self):
        self.rng = numpy.random.default_rng(0)
    def __len__(self):
        return 101
class Plain(Base):
    def __getitem__(self, index):
        return torch.full((2, 4, 4), index / 200), index % 5
class Torch(Base):
    def __getitem__(self, index):
        return torch.rand(3), index % 5
class Numpy(Base):
    def __getitem__(self, index):
        return torch.tensor(numpy.random.rand(3).astype("float32")), index % 5
class Held(Base):
    def __getitem__(self, index):
        return torch.tensor(self.rng.random(3).astype("float32")), index % 5
class Sorted(Base):
    def __getitem__(self, index):
        return torch.ones(3) * index, index // 40
def constant(worker):
    numpy.random.seed(0)
def by_worker(worker):
    numpy.random.seed(worker)
"""


def check(d: Debuggee, loader: str, setup: str = "") -> list[model.Finding]:
    said = d.type(f"{HEAD}\n{setup}\nloader = {loader}")
    assert said is None, said
    found = d.look(p.CheckLoader(expression="loader"))
    assert isinstance(found, model.LoaderCheck), found
    return list(found.findings)


def what(found: list[model.Finding]) -> list[str]:
    return [each.message for each in found if each.severity != "note"]


CLEAN = {
    "plain": "DataLoader(Plain(), 10, shuffle=True)",
    "random, in torch": "DataLoader(Torch(), 10, shuffle=True, num_workers=2)",
    "random, in numpy": "DataLoader(Numpy(), 10, shuffle=True, num_workers=2)",
    "spread labels": "DataLoader(Plain(), 10)",
    "sorted and shuffled": "DataLoader(Sorted(), 10, shuffle=True)",
}


@pytest.mark.parametrize("loader", CLEAN.values(), ids=CLEAN)
def test_nothing_is_found_where_nothing_is_wrong(d: Debuggee, loader: str) -> None:
    found = check(d, loader, "net = torch.nn.Sequential(torch.nn.Linear(3, 5))")
    assert what(found) == []


@pytest.mark.parametrize(
    ("dataset", "more", "said"),
    [
        ("Numpy", "worker_init_fn=constant", ["workers draw the same random numbers (numpy",
                                              "each epoch draws the same random numbers again"]),
        ("Numpy", "worker_init_fn=by_worker", ["each epoch draws the same random numbers again"]),
        ("Held", "persistent_workers=False", ["workers draw the same random numbers (dataset.rng)",
                                              "each epoch draws the same random numbers again"]),
        ("Held", "persistent_workers=True", ["workers draw the same random numbers (dataset.rng)"]),
    ],
)  # fmt: skip
def test_the_same_random_numbers(d: Debuggee, dataset: str, more: str, said: list[str]) -> None:
    found = what(check(d, f"DataLoader({dataset}(), 10, shuffle=True, num_workers=2, {more})"))
    assert len(found) == len(said)
    for each, part in zip(found, said, strict=True):
        assert part in each


def test_trying_it_leaves_no_trace(d: Debuggee) -> None:
    d.type(HEAD + "\nheld = Held()\nloader = DataLoader(held, 10, shuffle=True, num_workers=2)")
    state = (
        "[hash(str(torch.get_rng_state().tolist())), hash(random.getstate()), "
        "hash(str(numpy.random.get_state()[1].tolist())), str(held.rng.bit_generator.state), "
        "str(signal.getsignal(signal.SIGCHLD)), len(os.listdir('/proc/self/fd')), "
        "len(__import__('multiprocessing').active_children())]"
    )
    d.type("import multiprocessing.resource_tracker as t; t.ensure_running()")
    d.look(p.CheckLoader(expression="loader"))
    before, shared = d.value(state, full=True), set(os.listdir("/dev/shm"))
    d.look(p.CheckLoader(expression="loader"))
    d.look(TuneLoader(expression="loader", seconds=0.2, workers=(0, 1)))
    end = time.monotonic() + SECONDS
    while (now := d.value(state, full=True)) != before:  # pipes to workers are closed by threads
        assert time.monotonic() < end, (now, before)
        time.sleep(0.1)
    while left := set(os.listdir("/dev/shm")) - shared:  # other tests' come and go
        assert time.monotonic() < end, left
        time.sleep(0.1)


def test_sorted_labels(d: Debuggee) -> None:
    (found,) = check(d, "DataLoader(Sorted(), 10)")
    assert found.message.startswith("nothing shuffles, and the labels lie in order")
    assert found.evidence.endswith("they go from 0 to 2.")
    assert found.fix.startswith("shuffle=True")


def test_visits(d: Debuggee) -> None:
    twice = check(d, "DataLoader(Plain(), 10, sampler=[0, 1, 1, 5])")
    assert what(twice) == [
        "1 indices come more than once in an epoch.",
        "98 of 101 samples are not visited in an epoch.",
    ]
    assert twice[0].evidence == "index 1 comes 2 times."
    meant = check(d, "DataLoader(Plain(), 10, sampler=WeightedRandomSampler([1.0] * 101, 50))")
    assert what(meant) == []
    assert {each.severity for each in meant} == {"note"}
    dropped = check(d, "DataLoader(Plain(), 10, shuffle=True, drop_last=True)")
    assert [each.severity for each in dropped] == ["note"]
    assert "1 of 101 samples" in dropped[0].message
    outside = check(d, "DataLoader(Plain(), 10, sampler=range(105))")
    assert what(outside)[0] == "the sampler gives index 101, and the dataset has 101 samples."


def test_a_last_batch_of_one_before_batch_norm(d: Debuggee) -> None:
    setup = "net = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5))"
    found = check(d, "DataLoader(Torch(), 10, shuffle=True)", setup)
    assert what(found) == [
        "the last batch has 1 sample, and BatchNorm1d '1' is in training mode: it has no variance "
        "to work with."
    ]
    assert found[0].evidence == "101 samples in batches of 10 leave 1."
    assert what(check(d, "DataLoader(Torch(), 10, shuffle=True)", setup + ".eval()")) == []
    assert what(check(d, "DataLoader(Torch(), 9, shuffle=True)", setup)) == []


def test_labels_that_the_model_has_no_output_for(d: Debuggee) -> None:
    found = check(d, "DataLoader(Plain(), 10, shuffle=True)", "net = torch.nn.Linear(32, 4)")
    assert len(what(found)) == 1
    assert "label 4 is out of range" in what(found)[0]
    assert "has 4 outputs, for labels 0 to 3" in what(found)[0]


VALUES = """
class Values(Plain):
    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        {change}
        return image, label
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("image = image.double()", "part '0' of a sample is float64"),
        ("image = image * (255 if index == 70 else 1)", "1 of 101 samples: other range."),
        ("image = image / (index != 7) if index else image", "1 of 101 samples: Inf."),
        ("image[0, 0, 0] = float('nan') if index in (7, 8) else 0", "2 of 101 samples: NaN."),
        ("image = image[:, :3] if index == 7 else image", "cannot be made of its samples."),
        ("label = 1 // (index != 7)", "1 of 101 samples: raises."),
    ],
)
def test_values(d: Debuggee, change: str, said: str) -> None:
    setup = VALUES.replace("{change}", change) + "net = torch.nn.Linear(3, 5)"
    found = check(d, "DataLoader(Values(), 10, shuffle=True)", setup)
    assert [each for each in what(found) if said in each], what(found)
    assert len(found) == 1
    if "1 of" in said:
        assert "dataset[7" in found[0].evidence


def test_a_batch_that_cannot_be_made_of_its_samples(d: Debuggee) -> None:
    found = check(d, "DataLoader([torch.ones(n // 19 + 1) for n in range(20)], 6)")
    (made,) = [each for each in found if each.message.startswith("batch 3 cannot be made")]
    assert "they cannot be made into one batch" in made.evidence
    keeps = "lambda rows: rows if all(n < 9 for n in rows) else None"
    found = check(d, f"DataLoader(list(range(12)), 4, collate_fn={keeps})")
    assert "collate_fn makes None of batch 2." in what(found)


def test_a_batch_sampler_in_the_place_of_a_sampler(d: Debuggee) -> None:
    data = "TensorDataset(torch.arange(60.0))"
    made = "BatchSampler(RandomSampler(data), 10, drop_last=False)"
    found = check(
        d,
        f"DataLoader(data, batch_size=10, sampler={made})",
        f"from torch.utils.data import *\ndata = {data}",
    )
    assert [each for each in what(found) if each.startswith("the sampler is a BatchSampler")]
    told = d.look(p.AskEpoch(expression="loader"))
    assert isinstance(told, model.Epoch)
    assert told.whole is not None
    assert (told.whole.samples, told.whole.different, told.whole.never) == (60, 60, 0)
    d.look(p.WatchLoaders())
    d.type("for each in loader: pass")
    told = d.look(p.AskEpoch(expression="loader"))
    assert (told.samples, told.left, told.so_far.never) == (60, 0, 0)


def test_two_loaders_on_one_augmenting_dataset(d: Debuggee) -> None:
    setup = "both = {}()\nother = DataLoader(Subset(both, range(50, 101)), 10)"
    loader = "DataLoader(Subset(both, range(50)), 10, shuffle=True)"
    (found,) = check(d, loader, setup.replace("{}", "Torch"))
    assert found.message == "loader and other read one Torch, which augments."
    assert check(d, loader, setup.replace("{}", "Plain")) == []


def test_how_much_was_looked_at(d: Debuggee) -> None:
    check(d, "DataLoader(Plain(), 10)")
    found = d.look(p.CheckLoader(expression="loader", samples=11))
    assert found.looked_at[0] == "11 of 101 samples"
    assert "the order of one epoch: 101 visits" in found.looked_at


def test_the_line_to_change(script: Callable[..., Path]) -> None:
    path = script(
        "import torch\n" + HEAD + "torch.zeros(1)\n"
        "train = DataLoader(Sorted(), 10)\nfor each in train: pass\n"
    )
    with debuggee() as d:
        d.load(path)
        d.break_at("batch 1")
        d.cont()
        found = d.look(p.CheckLoader(expression="train"))
        assert isinstance(found, model.LoaderCheck), found
        site = found.findings[0].sites[0].site
        assert site is not None
        assert site.text == "train = DataLoader(Sorted(), 10)"
