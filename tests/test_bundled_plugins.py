"""The plugins that come with gradrepl, each through the doors that a stranger's has."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from data_samples import MEASURED
from msgspec.structs import replace

from gradrepl import draw, plugins, protocol
from gradrepl.draw import Look
from gradrepl_tour.guide import TourAnswer, TourStep

PLUGINS = Path(__file__).parent.parent / "plugins"
sys.path.append(str(PLUGINS))

LOADER = """
import torch
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
x = torch.rand(12, 2)
x[5, 1] = float("nan")
x[9] = 300.0
for (batch,) in DataLoader(TensorDataset(x), batch_size=2):
    print(batch.sum().item())
"""
TRAIN = """
import torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(4):
    optimizer.zero_grad()
    loss = model(torch.rand(8, 4)).square().mean()
    loss.backward()
    optimizer.step()
    print(repr(loss.item()), [repr(p.grad.norm().item()) for p in model.parameters()])
"""


def run(work: Path, script: str, *lines: str) -> tuple[list[Any], str]:
    (work / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--json", "script.py"], input="\n".join(lines),
        capture_output=True, text=True, cwd=work, timeout=100,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return found, done.stdout


def of(found: list[Any], kind: str) -> list[Any]:
    return [record for record in found if record["type"] == kind]


@pytest.mark.parametrize("file", sorted(PLUGINS.glob("*.py")), ids=lambda path: path.stem)
def test_each_that_is_one_file_is_short(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 120


@pytest.mark.parametrize("name", sorted(path.stem for path in PLUGINS.glob("gradrepl_*")))
def test_each_can_be_loaded_by_either_half(name: str) -> None:
    for half in ("torch", "textual, prompt_toolkit"):
        program = f"import sys; sys.path.append({str(PLUGINS)!r})\nimport {name}\n"
        program += f"assert not {{{', '.join(map(repr, half.split(', ')))}}} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True)


def test_a_batch_that_will_do_harm_is_stopped_at(tmp_path: Path) -> None:
    found, _ = run(tmp_path, LOADER, "b odd_batch 200", "c", "p indices", "c", "p indices", "c")
    stops = [stop for stop in of(found, "Stop") if stop["breakpoints"]]
    assert len(stops) == 2
    assert [record["text"] for record in of(found, "Value")] == ["[4, 5]", "[8, 9]"]


def test_event_files_hold_what_was_watched(tmp_path: Path) -> None:
    found, out = run(
        tmp_path, TRAIN, ":tensorboard runs", ":watch grads", "b batch 99", "c", ":tensorboard runs"
    )
    assert "no gradients have been watched" in of(found, "Error")[0]["message"]
    assert "tensorboard --logdir runs" in of(found, "Notice")[-1]["message"], found
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(tmp_path / "runs"))
    read.Reload()
    printed = [line.split(" ", 1) for line in out.splitlines() if line.startswith("0.")]
    losses = [float(loss) for loss, _ in printed]
    assert [event.value for event in read.Scalars("loss")] == pytest.approx(losses)
    norms = [float(json.loads(rest.replace("'", '"'))[0]) for _, rest in printed]
    name = next(tag for tag in read.Tags()["scalars"] if tag.endswith("0.weight"))
    assert [event.value for event in read.Scalars(name)] == pytest.approx(norms)
    assert [event.step for event in read.Scalars(name)] == [1, 2, 3, 4]


def test_a_picture_has_its_darkest_and_brightest_where_the_tensor_has_them() -> None:
    import torch

    import gradrepl_picture
    from gradrepl.errors import UsageError

    class Here:
        def __init__(self, value):
            self.evaluate = lambda expression: value

    def ask(of):
        return gradrepl_picture.AskDots(of=of)

    x = torch.zeros(2, 4, 6)
    x[0, 0, 0], x[0, 3, 5] = -3.0, 5.0
    answer = gradrepl_picture.gradrepl_answer(ask("x"), Here(x))
    rows = answer.rows
    assert (len(rows), len(rows[0])) == (4, 6)
    assert rows[0][0] == 0
    assert rows[3][5] == 255
    assert rows[1][1] == round(3 / 8 * 255)
    assert "(2, 4, 6)  -3 (dark) to 5" in answer.about
    big = gradrepl_picture.gradrepl_answer(ask("x"), Here(torch.rand(999, 700)))
    assert (len(big.rows), len(big.rows[0])) == (128, 128)
    x[0, 1, 1] = float("nan")
    answer = gradrepl_picture.gradrepl_answer(ask("x"), Here(x))
    assert "1 not finite" in answer.about
    with pytest.raises(UsageError):
        gradrepl_picture.gradrepl_answer(ask("y"), Here(3))


def test_the_layers_are_drawn_by_their_norm() -> None:
    import gradrepl_layers
    from gradrepl import model

    health = model.Health(
        watching=model.Watching(grads=True),
        depths=(
            model.Depth(name="head.bias", norm=3.0), model.Depth(name="head.weight", norm=4.0),
            model.Depth(name="body.weight", norm=5e-6), model.Depth(name="stem.weight", norm=None),
            model.Depth(name="odd.weight", norm=float("nan")),
        ),
    )  # fmt: skip
    rows = gradrepl_layers.layers(health)
    assert rows[:3] == [("head", 5.0), ("body", 5e-6), ("stem", None)]
    lines = ["".join(text for text, _ in line) for line in gradrepl_layers.draw(rows, 80)]
    assert "5.00e+00" in lines[1]
    assert "1.0e-06" in lines[2]
    assert 0 < lines[2].count("█") < lines[1].count("█")
    assert "█" not in lines[3]
    assert "!!!!" in lines[4]


@pytest.fixture
def no_screens() -> Iterator[None]:
    """Have only our own screens in the tables: another test may have loaded plugins here."""
    from gradrepl.tui import views

    plugged = [view for view in views.VIEWS if view.name not in views._OURS]
    for view in plugged:
        views.VIEWS.remove(view)
        del views.BY_NAME[view.name]
    yield
    views.VIEWS[:] = [view for view in views.VIEWS if view.name in views._OURS] + plugged
    views.BY_NAME.clear()
    views.BY_NAME.update({view.name: view for view in views.VIEWS})


def test_their_screens_open_by_a_digit_and_say_how_to_begin(no_screens: None) -> None:
    sys.path.append(str(Path(__file__).parent / "tui"))
    from screens import screen

    import gradrepl_layers
    import gradrepl_picture

    async def body() -> None:
        async with screen(size=(100, 30)) as seen:
            for plugin in (gradrepl_layers, gradrepl_picture):
                for view in plugin.gradrepl_views():
                    seen.app.add_view(view)
            await seen.press("escape", "7")
            assert "Nothing is watched" in seen.text
            assert "[7 Layers]" in seen.text
            await seen.press("8")
            assert ":picture EXPR draws a tensor here" in seen.text
            await seen.press("j", "b", "left_square_bracket", "enter", "escape", "1")
            assert "[1 Fwd]" in seen.text
            await seen.press("question_mark")
            assert "A tensor as a picture" in seen.app.screen.query_one("#help").text()  # type: ignore[attr-defined]

    asyncio.run(body())


TOLD = [
    *MEASURED, replace(MEASURED[2], on=True),
    TourStep(number=4, total=9, text="Predict it.", guess=True),
    TourAnswer(said=4.0, arrived=6.0, right=False, why="That is right itself."),
]  # fmt: skip


@pytest.mark.parametrize("record", TOLD, ids=lambda record: type(record).__name__)
def test_each_of_their_records_crosses_the_link_and_is_drawn(record: Any) -> None:
    plugins.here().load()
    message = protocol.Answer(id=1, record=record)
    assert protocol.decode(protocol.encode(message)[4:]) == message
    for look in (Look(), Look(width=60), Look(plain=True), Look(width=60, height=1)):
        text = draw.text(record, look)
        assert text.strip()
        assert not text.startswith("type:")  # it has a form of its own
    assert draw.text(record, Look(ascii=True)).isascii()


def test_a_batch_from_memory_says_first_that_it_replaces_the_programs() -> None:
    plugins.here().load()
    first, *_ = draw.text(replace(MEASURED[2], on=True)).splitlines()
    assert first == "! the program's batches are replaced by one batch from memory."
