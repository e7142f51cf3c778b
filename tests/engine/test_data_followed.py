"""Which loader a screen shows: the one that the program is at, unless one was asked for."""

from __future__ import annotations

import pytest
from debuggee import Debuggee

from gradrepl import model
from gradrepl import protocol as p

TWO = """
from torch.utils.data import DataLoader, Dataset
class Numbered(Dataset):
    def __len__(self):
        return 12
    def __getitem__(self, index):
        raise LookupError("nobody asked for a sample")
class Fine(Numbered):
    def __getitem__(self, index):
        return torch.full((2,), float(index))
train = DataLoader(Numbered(), batch_size=4, shuffle=True)
valid = DataLoader(Fine(), batch_size=4)
test = DataLoader(Fine(), batch_size=4)
"""


def shown(d: Debuggee) -> tuple[str, tuple[str, ...]]:
    found = d.look(p.AskLoader(look=True))
    assert isinstance(found, model.Loader), found
    return found.name, found.others


def test_the_first_in_reach_and_the_names_of_the_others(d: Debuggee) -> None:
    assert isinstance(d.look(p.AskLoader(look=True)), model.Error)  # none
    d.type(TWO)
    refused = d.look(p.AskLoader())
    assert isinstance(refused, model.Error)
    assert "train, valid, test" in refused.message
    assert shown(d) == ("train", ("valid", "test"))


@pytest.mark.parametrize("watched", [False, True])
def test_it_follows_the_program(d: Debuggee, watched: bool) -> None:
    d.type(TWO)
    if watched:
        d.look(p.WatchLoaders())
    assert shown(d)[0] == "train"
    d.type("going = iter(valid); first = next(going)")
    assert shown(d) == ("valid", ("test", "train"))
    d.type("del going")
    d.type("over = iter(test); next(over)")
    assert shown(d)[0] == "test"


def test_a_loader_that_was_asked_for_stays(d: Debuggee) -> None:
    d.type(TWO)
    assert isinstance(d.look(p.AskLoader(expression="test")), model.Loader)
    d.type("going = iter(valid); first = next(going)")
    assert shown(d)[0] == "test"


def test_asking_again_and_again_changes_nothing(d: Debuggee) -> None:
    d.type(TWO)
    d.type("valid = DataLoader(Fine(), batch_size=4, shuffle=True); del train, test")
    d.type("before = torch.get_rng_state()")
    assert shown(d) == ("valid", ())
    for number in range(3):
        batch = d.look(p.AskBatch())
        assert isinstance(batch, model.Batch), batch
        assert batch.number == number  # the next one, whatever the screen asks in between
        shown(d)
    assert d.value("torch.equal(before, torch.get_rng_state())") == "True"


def test_what_is_not_finite_is_dark_in_a_picture(d: Debuggee) -> None:
    d.type("""
from torch.utils.data import DataLoader, Dataset
class Holed(Dataset):
    def __len__(self):
        return 1
    def __getitem__(self, index):
        x = -torch.arange(1, 17.0).reshape(4, 4)
        x[0, 0], x[3, 3] = float("nan"), float("inf")
        return x
loader = DataLoader(Holed())
""")
    found = d.look(p.AskSample(index="0"))
    assert isinstance(found, model.Sample), found
    lines = found.parts[0].lines
    assert lines[0][0] == lines[3][3] == 0
    assert lines[0][1] == 255  # -2 is the largest
