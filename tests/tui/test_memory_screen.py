"""The Mem screen, and long answers that take the height of the dock."""

from __future__ import annotations

import pytest
from hand_made import FakeConversation
from modules_samples import TENSOR
from screens import Seen, on_screen

from gradrepl import model, protocol
from gradrepl.draw import Look, ink, memory
from gradrepl.draw.memory import byte_map
from gradrepl.model.memory import Member, Stale, Storage
from gradrepl.tui.pages.memory import MemoryRow, rows_of

W = Member(
    name="w", kind="base", nbytes=200, version=1, shape=(5, 10), requires_grad=True,
    ranges=((0, 200),),
)  # fmt: skip
ROW = Member(
    name="row[/b]", kind="view", of="w", nbytes=40, version=1, shape=(10,), is_leaf=False,
    requires_grad=True, grad_fn="SelectBackward0", ranges=((40, 80),),
)  # fmt: skip
SAVED = Member(
    name="PowBackward0.self", kind="alias", of="w", nbytes=200, version=1, shape=(5, 10),
    saved_version=0, stale=True, ranges=((0, 200),),
)  # fmt: skip
ONE = Storage(id="@1", nbytes=200, device="cpu", members=(W, ROW, SAVED), names=3)
TWO = Storage(
    id="@2", nbytes=8, device="cpu", names=1,
    members=(Member(name="step", kind="base", nbytes=8, version=0, ranges=((0, 8),)),),
)  # fmt: skip
STALE = Stale(
    node="PowBackward0", saved="self", name="w", storage="@1",
    sentence="PowBackward0 saved w at version 0, it is now at 1: it will raise.",
)  # fmt: skip
FOUND = model.Storages(storages=(ONE, TWO), total=2, tensors=3, nbytes=208, stale=(STALE,))


class Shares(FakeConversation):
    """A conversation that knows who shares memory, and all about a tensor."""

    async def ask(self, request: protocol.Request) -> model.Record | None:
        if isinstance(request, protocol.AskStorages):
            self.asked.append(request)
            return FOUND
        if isinstance(request, protocol.Describe):
            self.asked.append(request)
            return TENSOR
        return await super().ask(request)


def test_a_byte_map_is_to_scale() -> None:
    assert byte_map(ROW, 200, 10) == "──██──────"
    assert byte_map(W, 200, 10) == "█" * 10
    tiny = Member(name="t", kind="view", ranges=((199, 200),))
    assert byte_map(tiny, 200, 10) == "─" * 9 + "▒"  # what is there is never invisible
    strided = Member(name="s", kind="view", ranges=((0, 200),), density=0.1, exact=False)
    assert byte_map(strided, 200, 10) == "▒" * 10  # and what is used in part is never full


def draw(row: MemoryRow, width: int) -> ink.Line:
    if row.member is None:
        return memory.storage_head(row.storage, width, row.bad)
    return memory.member_row(row.member, width)


@pytest.mark.parametrize("width", [40, 78, 158])
def test_every_row_fits_and_says_how(width: int) -> None:
    rows = rows_of(FOUND)
    lines = [ink.plain(draw(row, width)) for row in rows]
    head = ink.plain(memory.member_head(width))
    assert all(ink.width([(line, "")]) <= width for line in [head, *lines])
    assert "@1  200 B" in lines[0]
    assert lines[0].endswith("! stale" if width < 60 else "! saved value changed")
    assert "view of w" in lines[2]
    assert "saved at v0" in lines[3]
    assert lines[3].startswith("!")
    assert len(rows) == 6


def test_the_map_says_what_was_changed_first() -> None:
    maps = memory.byte_maps(ONE, Look(width=78), "w")
    lines = [ink.plain(line) for line in [*memory.stale((STALE,)), *maps]]
    assert lines[0].startswith("! PowBackward0 saved w at version 0")
    assert any("row[/b]" in line and line.endswith("─ 40 B") for line in lines)
    assert all(len(line) <= 78 for line in lines)


def test_the_screen_asks_only_when_it_is_open() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "s")
        assert not any(isinstance(each, protocol.AskStorages) for each in seen.talk.asked)
        await seen.press("3")
        assert "[3 Mem]" in seen.text
        assert "2 storages  208 B" in seen.text
        assert "row[/b]" in seen.text
        await seen.press("j", "v")
        assert seen.talk.entered[-1] == ":versions row[/b]"
        await seen.press("s")
        assert "[3 Mem]" in seen.text  # a step is looked at from here
        await seen.press("slash", *"step", "enter")
        assert seen.app.main.pages["mem"].list.selected.member.name == "step"
        await seen.press("1")
        assert "[1 Fwd]" in seen.text

    on_screen(body, make=Shares)


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 35), (160, 45)])
def test_at_every_size(size: tuple[int, int]) -> None:
    async def body(seen: Seen) -> None:
        await seen.press("escape", "3")
        assert "@1  200 B" in seen.text
        assert all(len(line) <= size[0] for line in seen.lines)

    on_screen(body, size=size, make=Shares)


def test_rows_of_a_table_are_not_broken_but_scroll() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape")
        rows = tuple(
            model.NodeRow(id=number, lanes="○", name="AddmmBackward0" * 6, label=f"end{number}")
            for number in range(1, 40)
        )
        seen.app.show(model.GraphView(root="loss", rows=rows, total=39, nodes=39))
        await seen.settle()
        first = next(line for line in seen.lines if "#1 " in line)
        assert first.rstrip(" │▆▇█▁▂▃▄▅").endswith("…")
        assert "esc Back" in seen.lines[-1]
        assert "end1" not in seen.text
        await seen.press("l", "l", "l")
        assert "end1" in seen.text

    on_screen(body)


def test_a_long_answer_takes_the_height_and_a_stop_gives_it_back() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape")
        body_text = "\n".join(f"line {number}" for number in range(1, 60))
        seen.app.show(model.Text(title="long", body=body_text))
        await seen.settle()
        assert "line 1\n" in "".join(line.strip(" │▆▇█") + "\n" for line in seen.lines)
        assert "Ops" not in seen.text
        await seen.press("G")
        assert "line 59" in seen.text
        await seen.press("escape")
        assert "Ops" in seen.text
        seen.app.show(model.Text(title="long", body=body_text))
        await seen.press("s")
        assert "Ops" in seen.text

    on_screen(body)


def test_enter_on_the_op_here_shows_everything_about_its_result() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "s")
        assert not any(isinstance(each, protocol.Describe) for each in seen.talk.asked)
        await seen.press("enter")
        assert seen.talk.asked[-1] == protocol.Describe(expression="out")
        assert "relu (train.py:27) computed it" in seen.text
        assert "clip" in seen.text  # a hook with its owner
        await seen.press("escape", "s")
        assert "computed it" not in seen.text

    on_screen(body, make=Shares)
