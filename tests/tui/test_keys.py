"""Keys on the selection: keep, change, run to, copy; and looking away from where we stand."""

from __future__ import annotations

import math

import hand_made as fake
import msgspec
import pytest
import torch
from hand_made import FakeConversation, node_stop, op_stop
from screens import Seen, on_screen
from textual import events
from textual.keys import _character_to_key
from textual.widgets import Input

from gradrepl import model, protocol
from gradrepl.tui import literal
from gradrepl.tui.literal import target, variable


def copied(seen: Seen) -> str:
    return seen.app.clipboard


def test_k_keeps_what_the_op_here_made() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "K")
        assert seen.app.dock.prompt.text == ":retain "  # it has not run yet
        await seen.press("ctrl+c", "escape", "s", "s", "K")
        assert seen.talk.entered[-1] == ":retain out"
        assert not seen.app.dock.typing
        await seen.press("k", "K")
        assert seen.app.dock.prompt.text == ":retain "  # another row: its tensor has no name here
        await seen.press(*"KeE")
        assert seen.app.dock.prompt.text == ":retain KeE"

    on_screen(body)


class Values(FakeConversation):
    """Knows two tensors."""

    async def ask(self, request: object) -> model.Record | None:
        known = {"w[0, 1]": "0.34", "out.data[...]": "[2, 2]", "loss": "7"}
        if isinstance(request, protocol.Print):
            expression = request.expression
            values = fake.info("", (2,), values=known.get(expression, ""))
            return model.Value(text=expression, tensor=values if values.values else None)
        return await super().ask(request)  # type: ignore[arg-type]


async def _change(seen: Seen, text: str) -> None:
    """Press e and write another assignment."""
    await seen.press("escape", "e", "ctrl+u", *text, "enter")


def test_e_asks_with_the_old_and_the_new_value() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        await seen.press("escape", "e")
        assert seen.app.screen.query_one(Input).value == "grad_in[0] = "
        await seen.press("escape")
        for keys in (["enter"], ["escape"], ["c"], ["tab", "x", "enter"], ["tab", "tab", "enter"]):
            await _change(seen, "w[0, 1] = 7")
            assert "w[0, 1]: 0.34 -> 7" in seen.text
            await seen.press(*keys)
            assert seen.talk.entered == ["bw loss"]
            assert seen.app.screen is seen.app.main
        await _change(seen, "w[0, 1] += f(2)")
        assert "w[0, 1]: 0.34 -> w[0, 1] + f(2)" in seen.text
        await seen.press("tab", "enter")
        assert seen.talk.entered[1:] == ["!w[0, 1] += f(2)"]

    on_screen(body, make=Values)


def test_e_takes_one_assignment_only() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        for text in ("step()", "a = b = 1", "a, b = 1, 2", "a =", "a = 1; b = 2"):
            await _change(seen, text)
            assert "Write one assignment" in seen.text
            await seen.press("escape")
        await seen.stop_at(msgspec.structs.replace(node_stop(2), when="after"))
        await seen.press("e")
        assert "This node has run" in seen.text

    on_screen(body)


def test_a_word_that_is_typed_over_a_pane_writes_nothing() -> None:
    """Slowly it is offered at its blank, and its letters were keys; nothing of it is a change."""

    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "s", "s")
        await seen.press(*"b name loss".replace(" ", "_").split("_")[0], "space", *"name")
        assert seen.app.dock.prompt.text == ":b name"
        await seen.press("ctrl+c", "escape")
        await seen.press(*"name", "space", *"loss", "enter", "enter", "c")
        assert not [text for text in seen.talk.entered if "=" in text]

    on_screen(body, make=Values)


def test_a_command_in_one_piece_is_offered_to_the_prompt() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape")
        before = list(seen.talk.entered)
        for text, offered in (("b name loss", ":b name loss"), ("where", ":where")):
            for letter in text:
                seen.app.post_message(events.Key(_character_to_key(letter), letter))
            await seen.settle()
            assert seen.app.dock.prompt.text == offered
            assert seen.app.dock.typing
            assert seen.talk.entered == before
            await seen.press("ctrl+c", "escape")
        for letter in "ss":
            seen.app.post_message(events.Key(letter, letter))
        await seen.settle()
        assert seen.talk.entered == [*before, ":step", ":step"]

    on_screen(body)


def test_what_e_assigns_to() -> None:
    assert target(None) == ""
    assert target(op_stop(2)) == "out.data[...] = "
    assert target(op_stop(2, "before")) == "x = "
    none_first = msgspec.structs.replace(fake.node(1), grad_in=(None, fake.info("", (3,))))
    assert target(msgspec.structs.replace(node_stop(1), node=none_first)) == "grad_in[1] = "
    assert variable("loss = F.cross_entropy(model(x), y)") == "y"
    assert variable("a = torch.ones(3)") == ""
    assert variable("if x > 3:") == ""


def test_t_runs_to_a_node_or_till_an_op_comes_again() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "s", "s", "s", "k", "t")
        assert seen.talk.entered[-1] == ":until op relu and /home/me/train.py:27"
        await seen.type("bw loss")
        await seen.press("escape", "s", "k", "t")
        assert "Select an op, or a node" in seen.text
        await seen.press("G", "t")
        assert seen.talk.entered[-1] == ":until #11"

    on_screen(body)


def test_looking_away_is_said_and_l_comes_back() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        await seen.press("escape", "s", "s")
        assert "PAUSED  3/11" in seen.lines[0]
        await seen.press("left_square_bracket")
        assert "VIEW  2 of 11  live at 3/11" in seen.lines[0]
        assert "not computed yet" not in seen.text
        assert "commands run at #3, L: back to live" in seen.text
        assert seen.lines[-1].startswith(" L Live")
        await seen.press("L")
        assert "PAUSED  3/11" in seen.lines[0]
        assert "L returns" not in seen.text
        assert seen.lines[-1].startswith(" snrc step")
        await seen.press("right_square_bracket", "s")
        assert "PAUSED  4/11" in seen.lines[0]

    on_screen(body)


def test_a_node_that_we_stopped_at_keeps_its_gradients_in_view() -> None:
    class Forgetful(FakeConversation):
        async def ask(self, request: object) -> model.Record | None:
            answer = await super().ask(request)  # type: ignore[arg-type]
            bare = isinstance(answer, model.Node)
            return msgspec.structs.replace(answer, grad_in=()) if bare else answer

    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        await seen.press("escape", "s", "s", "k")
        assert "#2 LogSoftmaxBackward0" in seen.text
        assert "norm 0.016" in seen.text
        await seen.press("G")
        assert "known at its stop" in seen.text
        await seen.stop_at(node_stop(1))  # another backward
        assert list(seen.app.main.page.seen) == [1]

    on_screen(body, make=Forgetful)


def test_an_exception_is_inspected_until_the_cursor_moves() -> None:
    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "s", "s")
        stop = model.Stop(
            phase="exception", reason="", site=fake.site(27), exception="ValueError: bad shape"
        )
        await seen.stop_at(stop)
        assert "Raised" in seen.text
        await seen.press("k")
        assert "Raised" not in seen.text
        await seen.press("L")
        assert "Raised" in seen.text

    on_screen(body)


def test_a_row_that_comes_late_is_inspected_all_the_same() -> None:
    def prepare(talk: FakeConversation) -> None:
        talk.total = 100_000

    async def body(seen: Seen) -> None:
        await seen.type(":load train.py")
        await seen.press("escape", "1", "g")
        assert "%1 flatten" in seen.text
        await seen.type(":row 50000")
        await seen.press("escape")
        assert "%50000 cross_entropy" in seen.text

    on_screen(body, prepare=prepare)


def test_copy_as_python() -> None:
    async def body(seen: Seen) -> None:
        await seen.type("bw loss")
        await seen.press("escape", "s", "s", "Y")
        rows = eval(copied(seen))
        assert rows[2] == (3, "AddmmBackward0", "fc2", "here", (64, 10), 0.14)
        assert len(rows) == 11
        await seen.press("tab", "Y")
        node = eval(copied(seen), {"torch": torch})
        assert node["name"] == "AddmmBackward0"
        assert node["grad_in"][0].shape == (64, 10)
        assert node["saved"]["mat1"].dtype == torch.float32
        await seen.type(":load train.py")
        await seen.press("escape", "s", "Y")
        assert eval(copied(seen))[0] == (1, "flatten", (64, 784), "float32", "flatten", 25)
        await seen.type(":copy python")
        assert "Copied as Python" in seen.text

    on_screen(body)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([[1.5, -2.0], [0.25, 8.0]]), torch.tensor(3), torch.tensor([True, False]),
        torch.tensor([1.0, math.inf, -math.inf], dtype=torch.float64),
        torch.tensor(2.0, requires_grad=True), torch.empty(0, 3),
        torch.tensor([1 + 2j]),
    ],
)  # fmt: skip
def test_a_whole_tensor_as_python_is_that_tensor(tensor: torch.Tensor) -> None:
    from gradrepl.engine.tensor.facts import describe

    again = eval(literal.tensor(describe(tensor)), {"torch": torch})
    assert torch.equal(again, tensor)
    assert (again.dtype, again.requires_grad) == (tensor.dtype, tensor.requires_grad)


def test_a_large_tensor_as_python_has_its_facts() -> None:
    from gradrepl.engine.tensor.facts import describe

    text = literal.tensor(describe(torch.zeros(40, 50, dtype=torch.int64)))
    assert text == "torch.empty((40, 50), dtype=torch.int64)"
    nan = literal.tensor(describe(torch.tensor([math.nan])))
    assert nan == 'torch.tensor([float("nan")], dtype=torch.float32)'
    row = model.NodeRow(id=1, name="inf_nan", state="done", norm=math.nan)
    assert math.isnan(eval(literal.row(row))[-1])
    assert literal.record(None) == ""


@pytest.mark.parametrize("text", [":a/b", "!x/e K", ":export screen a/b"])
def test_keys_that_come_all_at_once_are_one_text(text: str) -> None:
    async def body(seen: Seen) -> None:
        await seen.stop_at(node_stop(2))
        await seen.press("escape")
        for letter in text:
            seen.app.post_message(events.Key(_character_to_key(letter), letter))
        await seen.settle()
        assert seen.app.dock.prompt.text == text
        assert not seen.app.main.finder.has_focus

    on_screen(body)
