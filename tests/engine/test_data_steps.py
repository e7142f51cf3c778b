"""Steps over a loop whose DataLoader makes its batches in this process."""

from __future__ import annotations

from gradrepl import conditions as c

LOOP = """
import torch
from torch.utils.data import DataLoader, Dataset

class Data(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, index):
        one = torch.ones(2) * index
        return one + 1

w = torch.ones(2)
for x in DataLoader(Data(), batch_size=2):
    y = x * w
"""


def test_next_takes_what_a_dataloader_fetches_as_one_step(script, d):
    d.load(script(LOOP))
    while d.prompt is not None and d.prompt.state != "idle":
        d.go(c.Next())
    names = [stop.op.name for stop in d.stops() if stop.when == "after"]
    assert [name for name in names if name not in ("random_", "empty", "item")] == [
        "ones", "mul", "mul"
    ]  # fmt: skip


def test_a_step_goes_into_the_fetch_and_next_stays_in_it(script, d):
    d.load(script(LOOP))
    while d.stops()[-1].site.line != 9:
        d.step()
    d.go(c.Next())
    d.go(c.Next())
    assert (d.stops()[-1].op.name, d.stops()[-1].site.line) == ("add", 10)
    d.cont()
