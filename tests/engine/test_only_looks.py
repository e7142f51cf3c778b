"""What only looks ends no program and changes nothing, whatever code of the user's it runs."""

from __future__ import annotations

import pytest
from debuggee import Debuggee

from gradrepl import protocol as p

MADE = """\
class Leaving:
    def __repr__(self):
        raise SystemExit(9)
class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 3
    def __getitem__(self, index):
        raise SystemExit(4)
leaving = Leaving()
data = Data()
loader = torch.utils.data.DataLoader(data, 2)
x = torch.ones(1, requires_grad=True)
"""
LOOKS = [
    p.Print(expression="exit()"),
    p.Print(expression="leaving"),
    p.Print(expression="[leaving]", full=True),
    p.Inspect(expression="exit()"),
    p.Inspect(expression="leaving"),
    p.Describe(expression="exit()"),
    p.Names(),
    p.Display(expression="exit()"),
    p.Display(expression="leaving"),
    p.FetchSample(index="0", loader="loader"),
    p.FetchSample(index="exit()", loader="loader"),
    p.AskSample(index="0", expression="loader"),
    p.AskBatch(number=0, expression="loader"),
    p.CheckLoader(expression="loader"),
    p.AskLoader(expression="loader"),
]


@pytest.mark.parametrize("stopped", [False, True])
def test_a_look_that_would_leave_is_told(d: Debuggee, stopped: bool) -> None:
    d.type(MADE)
    if stopped:
        d.type("y = x * 2", stepped=True)
    for look in LOOKS:
        if isinstance(look, p.RUNS):
            d.run(look)
        else:
            d.look(look)
        assert d.value("6 * 7") == "42", look
    if stopped:
        d.cont()
        assert d.value("y.item()") == "2.0"
    assert d.quit() == 0
