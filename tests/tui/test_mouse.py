"""The mouse: clicks, the wheel, tabs and footer, and the frames between panes."""

from __future__ import annotations

import pytest
from hand_made import node_stop, op_stop
from screens import Seen, on_screen
from textual import events

from gradrepl.tui.split import SIDES


def column(seen: Seen, text: str, row: int) -> int:
    """Return the cell in the middle of ``text`` on a row."""
    return seen.lines[row].index(text) + len(text) // 2


async def drag(seen: Seen, start: tuple[int, int], end: tuple[int, int]) -> None:
    await seen.pilot.mouse_down(offset=start)
    await seen.pilot.hover(offset=((start[0] + end[0]) // 2, start[1]))
    await seen.pilot.hover(offset=end)
    await seen.pilot.mouse_up(offset=end)
    await seen.settle()


def test_a_click_selects_and_a_double_click_opens() -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(node_stop(3))
        await seen.pilot.click(offset=(10, 7))
        await seen.settle()
        nodes = seen.app.main.pages["bwd"].nodes
        assert (nodes.cursor, nodes.has_focus) == (4, True)
        assert "#5 TBackward0" in seen.text
        await seen.pilot.click(offset=(10, 5), times=2)
        await seen.settle()
        assert nodes.cursor == 2
        assert seen.app.main.page.inspector.has_class("-maximised")

    on_screen(body)


def test_the_wheel_scrolls_and_leaves_the_selection() -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(node_stop(1))
        nodes = seen.app.main.pages["bwd"].nodes
        down = events.MouseScrollDown(nodes, 5, 3, 0, 1, 0, False, False, False, 5, 3)
        nodes.post_message(down)
        await seen.settle()
        assert nodes.scroll_offset.y > 0
        assert nodes.cursor == 0

    on_screen(body, size=(60, 15))


def test_tabs_and_footer_are_clicked() -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(node_stop(1))
        await seen.press("escape")
        await seen.pilot.click(offset=(column(seen, "1 Fwd", 0), 0))
        await seen.settle()
        assert "[1 Fwd]" in seen.lines[0]
        await seen.pilot.click(offset=(column(seen, "b Break", 23), 23))
        await seen.settle()
        await seen.pilot.click(offset=(column(seen, "? Help", 23), 23))
        await seen.settle()
        assert "Keys and commands" in seen.text

    on_screen(body)


def test_the_frame_between_two_panes_is_dragged() -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(node_stop(3))
        nodes, right = seen.app.main.pages["bwd"].nodes, seen.app.main.page.query_one("#right")
        edge, least = nodes.region.right, SIDES["horizontal"].least
        await drag(seen, (edge - 1, 5), (edge - 11, 5))
        assert nodes.region.right == edge - 10 == right.region.x
        assert right.region.right == 80
        await drag(seen, (edge - 10, 5), (2, 5))  # by the other side of the frame, and too far
        assert nodes.region.width == least
        await drag(seen, (least - 1, 5), (40, 5))
        await seen.stop_at(op_stop(2))
        assert seen.app.main.pages["fwd"].ops.region.right == 41  # the other list keeps it
        await seen.pilot.resize_terminal(120, 35)
        await seen.settle()
        assert 60 <= seen.app.main.pages["fwd"].ops.region.right <= 63
        await seen.press("escape", "m")
        assert seen.app.main.pages["fwd"].ops.region.width == 120

    on_screen(body)


def test_the_frame_above_the_dock_is_dragged() -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(node_stop(3))
        dock, main = seen.app.dock, seen.app.main.query_one("#body")
        top = dock.region.y
        await drag(seen, (9, top), (9, top - 5))
        assert main.region.bottom == dock.region.y == top - 4
        assert dock.region.bottom == 23
        await drag(seen, (9, top - 5), (9, 23))  # by the other side of the frame, and too far
        assert dock.region.height == SIDES["vertical"].least
        await drag(seen, (30, dock.region.y), (30, 11))
        assert dock.region.height == 11
        await seen.stop_at(op_stop(2))
        assert dock.region.height == 11  # on every screen
        await seen.pilot.resize_terminal(80, 48)
        await seen.settle()
        assert 22 <= dock.region.height <= 24
        await seen.press("escape", "m")
        assert not dock.region.area
        await seen.press("m")
        assert 22 <= dock.region.height <= 24
        await seen.pilot.resize_terminal(80, 14)
        await seen.settle()
        await seen.press("escape", "colon")
        assert dock.region.height < 8  # as where nothing was dragged

    on_screen(body)


def test_the_frame_between_two_panes_one_above_the_other() -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(op_stop(3))
        top, bottom = seen.app.main.query_one("#top"), seen.app.main.query_one("#bottom")
        end = bottom.region.bottom
        await drag(seen, (50, bottom.region.y), (50, bottom.region.y - 6))
        assert top.region.bottom == bottom.region.y
        assert bottom.region.height == 12
        assert bottom.region.bottom == end

    on_screen(body, size=(160, 45))


@pytest.mark.parametrize("at", [(10, 5), (47, 0), (20, 20)])
def test_elsewhere_a_drag_moves_no_frame(at: tuple[int, int]) -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(node_stop(3))
        before = seen.app.main.pages["bwd"].nodes.region
        await drag(seen, at, (at[0] + 9, at[1]))
        assert seen.app.main.pages["bwd"].nodes.region == before

    on_screen(body)


def test_three_panes_side_by_side() -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(op_stop(3))
        side, ops = seen.app.main.pages["fwd"].side, seen.app.main.pages["fwd"].ops
        end = ops.region.right
        await drag(seen, (side.region.right, 5), (59, 5))
        assert side.region.right == ops.region.x == 60
        assert ops.region.right == end

    on_screen(body, size=(160, 45))
