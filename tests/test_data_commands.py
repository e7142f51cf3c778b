"""The words about data, as they are typed, and their records as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from data_samples import BATCH, LOADER, SAMPLE

from gradrepl import cli, draw, model
from gradrepl.draw import Look
from gradrepl.errors import UsageError
from gradrepl.launch import Options
from gradrepl.repl.output import Output

IMAGES = """
import pathlib, sys, torch
from torch.utils.data import DataLoader, Dataset
class Folder(Dataset):
    def __init__(self, path):
        self.files = sorted(pathlib.Path(path).glob("*/*.pt"))
        self.classes = sorted({file.parent.name for file in self.files})
    def __len__(self):
        return len(self.files)
    def __getitem__(self, index):
        file = self.files[index]
        return {"image": torch.load(file), "label": self.classes.index(file.parent.name),
                "path": file.name}
loader = DataLoader(Folder(PATH), batch_size=4)
"""
CORPUS = """
import collections, torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset
lines = open(PATH).read().splitlines()
words = sorted({word for line in lines for word in line.split()})
class Corpus(Dataset):
    def __len__(self): return len(lines)
    def __getitem__(self, index):
        return [words.index(word) for word in lines[index].split()], lines[index]
def padded(samples):
    return pad_sequence([torch.tensor(each) for each, _ in samples], batch_first=True)
loader = DataLoader(Corpus(), batch_size=3, collate_fn=padded)
"""


def records(*lines: str) -> list[dict[str, Any]]:
    """Type lines in batch mode; return what came, prints left out."""
    result = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--json"],
        input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def setup(tmp_path: Path, source: str, data: Path) -> str:
    path = tmp_path / "setup.py"
    path.write_text(source.replace("PATH", repr(str(data))))
    return f"exec(open({str(path)!r}).read())"


def test_a_folder_of_images(tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "images"
    for number in range(10):
        place = folder / ("cats" if number < 5 else "dogs")
        place.mkdir(parents=True, exist_ok=True)
        image = torch.full((3, 12, 12 if number != 7 else 10), number / 10)
        image[0] = torch.linspace(0, 1, image[0].numel()).view(image[0].shape)
        torch.save(image, place / f"{number}.pt")
    loader, batch, bad, sample = records(
        setup(tmp_path, IMAGES, folder), ":loader loader", ":batch 0", ":batch", ":sample 3"
    )
    assert (loader["type"], loader["length"], loader["batches"]) == ("Loader", 10, 3)
    assert batch["type"] == "Batch"
    assert batch["indices"] == ["0", "1", "2", "3"]
    assert not [odd for odd in batch["odd"] if odd["what"] != "slow"]  # this machine may be busy
    assert [row["label"] for row in batch["rows"]] == ["0"] * 4
    assert bad["number"] == 1
    assert bad["problem"].startswith("dataset[7] part 'image' has shape (3, 12, 10)")
    assert bad["rows"][0]["index"] == "7"
    assert sample["type"] == "Sample"
    assert [part["key"] for part in sample["parts"]] == ["image", "label", "path"]
    assert len(sample["parts"][0]["lines"]) == 12


def test_a_text_corpus(tmp_path: Path) -> None:
    text = tmp_path / "corpus.txt"
    text.write_text("the cat sat\nthe dog\na cat and a dog sat\nthe end\n")
    batch, sample = records(setup(tmp_path, CORPUS, text), ":batch 0", ":sample 2")
    assert batch["collated"][0]["shape"] == [3, 6]
    # They differ in length by design: the loader pads.
    assert not [odd for odd in batch["odd"] if odd["what"] != "slow"]
    assert sample["parts"][1]["text"] == "a cat and a dog sat"
    assert len(sample["parts"][0]["values"]) == 6


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (":batch", "No DataLoader found in the current scope."),
        (":batch x", "'x' is not a batch number."),
        (":loader 5", "'5' is a int, not a DataLoader."),
        (":sample", "'sample' needs I."),
        (":to cpu", "'to' needs EXPR."),
        (":to toaster torch", "'toaster' is not a device."),
        (":epoch x", "'x' is not an epoch number."),
        (":epoch 3", "No DataLoader found in the current scope."),
        (":synthetic off", "No DataLoader found in the current scope."),
    ],
)
def test_bad_input_gets_one_sentence(line: str, message: str) -> None:
    (error,) = records(line)
    assert (error["type"], error["message"]) == ("Error", message)
    assert error["hint"]


def test_watch_and_off_are_words_unless_they_are_names() -> None:
    head = "import torch; from torch.utils.data import DataLoader"
    found = records(head, ":loader watch", ":loader off",
                    "watch = DataLoader([1, 2]); 0", ":loader watch")  # fmt: skip
    assert [each["type"] for each in found] == ["LoaderWatch", "LoaderWatch", "Value", "Loader"]
    assert [each["on"] for each in found[:2]] == [True, False]


def test_a_batch_in_text() -> None:
    assert draw.text(BATCH).splitlines()[:9] == [
        "batch 7 of 29  loader  64 samples",
        "! dataset[9921] part '0' has shape (1, 8, 7), 63 others (1, 8, 8): they cannot be made "
        "into one batch.",
        " i  index  worker  ms  label  shape      dtype  range  odd",
        "!3   9921       1   2  0      (1, 8, 7)  f32    0..1   other shape",
        " 0  40512       1   2  3      (1, 8, 8)  f32    0..1",
        "  and 62 more",
        "! dataset[9921] part '0' has shape (1, 8, 7), 63 others (1, 8, 8).",
        "fetched here in 10 ms, for worker 1, the program waited 30 ms",
        "as the program's loop got it",
    ]


def test_a_sample_and_a_loader_in_text() -> None:
    text = draw.text(SAMPLE)
    assert "  log  1 ms  first 3 nan !  (1, 8, 8) f32  0..1" in text
    assert "!!!!⠉⠉⠉⠉" in text
    plain = draw.text(SAMPLE, Look(plain=True))
    assert "█" not in plain
    assert "is at batch 8 for 3.2 s, 256.0 MiB, seed 7, indices 12, 40…" in draw.text(LOADER)
    assert "worker 1 (pid 102) ! killed by SIGKILL" in draw.text(LOADER)


def test_epochs_and_memory_as_they_are_typed() -> None:
    head = "import torch; from torch.utils.data import DataLoader; loader = DataLoader(range(9), 2)"
    found = records(
        head, ":epoch", ":epoch run", ":synthetic on", "len([each for each in loader])",
        ":loader", ":synthetic off", ":loader watch", "len(list(loader))", ":epoch 0",
    )  # fmt: skip
    assert [each["type"] for each in found] == [
        "Epoch", "EpochRun", "Synthetic", "Value", "Loader", "Synthetic", "LoaderWatch", "Value",
        "Epoch",
    ]  # fmt: skip
    epoch, run, on, _, loader, off, _, _, seen = found
    assert (epoch["left"], epoch["whole"]["never"]) == (9, 0)
    assert (run["batches"], run["samples"], run["failed"]) == (5, 9, None)
    assert (on["on"], loader["synthetic"], off["on"]) == (True, True, False)
    assert (seen["number"], seen["batches"], seen["ended"]) == (0, 5, True)


def test_the_device_of_the_command_line_is_what_to_takes() -> None:
    lines = [
        "import torch", ":device", ":to torch.ones(3)", ":to meta torch.ones(3)", ":device cpu",
        ":to torch.ones(3)",
    ]  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--json", "--device", "auto"],
        input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    found = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert [each["type"] for each in found] == ["Devices", "Moved", "Moved", "Devices", "Moved"]
    there = "cuda:0" if len(found[0]["rows"]) > 1 and found[0]["rows"][1]["available"] else "cpu"
    assert found[0]["chosen"] == found[1]["device"] == there
    assert [each["device"] for each in (found[2], found[4])] == ["meta", "cpu"]


@pytest.mark.parametrize("words", [["--device"], ["--device", "toaster"], ["--device=x.py"]])
def test_a_device_that_is_none_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="device"):
        cli.read(words)
    _, asked = cli.read(["--device", "cuda:1", "a.py", "--device"])
    assert cli.options(asked).device == "cuda:1"


def shown(plain: bool, json: bool, terminal: bool, capsys: pytest.CaptureFixture[str]) -> str:
    output = Output(Options(plain=plain, json=json, color=False))
    output._console._force_terminal = terminal
    output._console.legacy_windows = False
    output._console._environ = {"TERM": "xterm"}
    for done, over in ((1, False), (2, False), (2, True)):
        output.show(model.Progress(what="epoch of x", done=done, total=2, over=over))
    output.show(model.Notice(message="done"))
    return capsys.readouterr().out


def test_progress_is_one_line_that_goes(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(False, False, True, capsys)
    assert text.count("epoch of x: ") == 2
    assert "\n" not in text[: text.rindex("epoch of x")]
    assert text.endswith("\r\x1b[Kdone\n")
    assert shown(False, False, False, capsys) == "done\n"
    assert shown(False, True, True, capsys).count("\n") == 1
    assert shown(True, False, True, capsys).splitlines() == [
        "epoch of x: 2 of 2 batches  0 s",
        "done",
    ]
