"""``:export`` as it is typed: what is meant, what is refused, what is left on the disk."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from export_samples import graph, nodes
from fake_talk import Talking

from gradrepl import draw, model, plugins
from gradrepl.commands.entry import complete
from gradrepl.commands.export import Wanted, export, read, record
from gradrepl.commands.table import COMMANDS
from gradrepl.draw.numbers import size
from gradrepl.errors import GradreplError, StateError, TargetError, UsageError
from gradrepl.export.files import Screen, written

plugins.here().load()


def switch(talk: Any, on: bool) -> Any:
    return asyncio.run(record(talk, on))


def do(talk: Any, text: str) -> Any:
    return asyncio.run(export(talk, text))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.svg", ((), "a.svg", "", False)),
        ("! a.svg", ((), "a.svg", "", True)),
        ("svg a b + c", (("svg",), "a", "b + c", False)),
        ("pass csv x", (("pass", "csv"), "x", "", False)),
        ("'a b.svg' f(x, 'y z')", ((), "a b.svg", "f(x, 'y z')", False)),
        ('time "t t.json"', (("time",), "t t.json", "", False)),
        ("graph.svg loss", ((), "graph.svg", "loss", False)),
    ],
)
def test_what_is_typed(text: str, found: tuple[Any, ...]) -> None:
    assert read(text) == Wanted(*found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pass", "'export pass' needs a FILE"), ("!", "needs a FILE"),
        ("x.xyz", "no kind of file ends with '.xyz'"), ("x", "does not say what kind of file"),
        ("pass x.svg", "no kind of file ends with '.svg'"),
        ("pass svg x", "there is no 'svg' of 'pass' to export"),
        ("ops x.csv loss", "only a graph has an expression"),
        ("no/such/x.svg", "there is no directory 'no/such'"), ("there/", "does not say"),
        ("dir.svg", "'dir.svg' is a directory"), ("there.svg", "'there.svg' is there already"),
        ("screen x.svg", "there is no screen here"), ("svg x\0y", "cannot be written"),
        ("/dev/null", "does not say"), ("svg /dev/null", "'/dev/null' is no ordinary file"),
        (f"{'x' * 300}.svg", "the name is too long"),
    ],
)  # fmt: skip
def test_refusals_are_one_sentence(text: str, message: str) -> None:
    Path("dir.svg").mkdir()
    Path("there.svg").write_text("mine")
    if text == "!":
        assert isinstance(do(Talking(), text), model.Exporters)
        return
    with pytest.raises(GradreplError, match=message) as error:
        do(Talking(graph(nodes([(2,), ()]))), text)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)
    assert Path("there.svg").read_text() == "mine"
    assert sorted(each.name for each in Path().iterdir()) == ["dir.svg", "there.svg"]


def test_alone_it_lists_the_kinds() -> None:
    shown = draw.text(do(Talking(), ""))
    assert "export graph FILE.svg   svg" in shown
    assert "export time FILE.json" in shown


def test_a_file_is_written_and_told() -> None:
    talk = Talking(graph(nodes([(2, 3), (3,), ()])))
    found = do(talk, "out.json loss")
    assert (found.path, found.kind, found.of, found.rows) == ("out.json", "json",
                                                              "the graph of loss", 3)  # fmt: skip
    assert len(json.loads(Path("out.json").read_text())["nodes"]) == 3
    assert found.nbytes == Path("out.json").stat().st_size
    assert talk.asked[0].expression == "loss"
    assert draw.text(found) == (
        f"wrote out.json: the graph of loss as json, 3 rows, {size(found.nbytes)}.\n"
    )


def test_rows_are_fetched_in_parts() -> None:
    talk = Talking(graph(nodes([(number + 1,) for number in range(1, 5000)] + [()])))
    assert do(talk, "out.json").rows == 5000
    assert [(each.first, each.count) for each in talk.asked[1:]] == [
        (0, 2000), (2000, 2000), (4000, 2000),
    ]  # fmt: skip


def test_a_refusal_of_the_debuggees_leaves_no_file() -> None:
    talk = Talking(error=model.Error(message="no backward is paused here."))
    assert do(talk, "out.svg") is talk.error
    assert list(Path().iterdir()) == []


def test_what_is_too_large_for_a_picture_is_refused_before_it_is_fetched() -> None:
    talk = Talking(graph(nodes([(2,)] * 1 + [()]), recorded=False), total=1_000_000)
    with pytest.raises(StateError, match="1,000,000 nodes are too many for svg"):
        do(talk, "out.svg")
    assert len(talk.asked) == 1


def test_overwriting_wants_a_mark_and_keeps_the_mode() -> None:
    place = Path("out.json")
    place.write_text("mine")
    place.chmod(0o640)
    talk = Talking(graph(nodes([(2,), ()])))
    with pytest.raises(TargetError, match="is there already"):
        do(talk, "out.json")
    assert not talk.asked
    do(talk, "! out.json")
    assert json.loads(place.read_text())["node_count"] == 2
    assert place.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link() -> None:
    Path("real.json").write_text("mine")
    Path("out.json").symlink_to("real.json")
    do(Talking(graph(nodes([(2,), ()]))), "! out.json")
    assert Path("out.json").is_symlink()
    assert json.loads(Path("real.json").read_text())["node_count"] == 2


@pytest.mark.parametrize(
    ("number", "why"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "no permission")]
)
def test_a_disk_that_refuses_leaves_nothing(number: int, why: str) -> None:
    Path("out.json").write_text("mine")

    def fill() -> None:
        with written("out.json", overwrite=True) as file:
            file.write("half of it")
            raise OSError(number, os.strerror(number))

    with pytest.raises(TargetError, match=why):
        fill()
    assert Path("out.json").read_text() == "mine"
    assert [each.name for each in Path().iterdir()] == ["out.json"]


def test_a_folder_without_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("gradrepl.export.files.os.open", refuse)
    with pytest.raises(TargetError, match="cannot be written: no permission"):
        do(Talking(graph(nodes([(2,), ()]))), "x.json")


def test_an_exporter_that_raises_is_named_and_its_plugin_disabled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from gradrepl.export import enter, exporter, leave

    @exporter("broken", of="graph", suffix=".broken", help="raises")
    def broken(record: Any, file: Any) -> None:
        file.write("half")
        raise ZeroDivisionError("division by zero")

    disabled: list[tuple[str, str, str]] = []

    class Plugins(plugins.Plugins):
        def disable(self, name: str, error: BaseException, where: str) -> None:
            disabled.append((name, str(error), where))

    monkeypatch.setattr(plugins, "_here", Plugins("client"))
    enter(broken.exporter, "mine")  # type: ignore[attr-defined]
    try:
        with pytest.raises(StateError, match="'broken' failed: ZeroDivisionError: division"):
            do(Talking(graph(nodes([(2,), ()]))), "x.broken")
    finally:
        leave("mine")
    assert disabled == [("mine", "division by zero", "exporter 'broken'")]
    assert list(Path().iterdir()) == []


def test_the_screen() -> None:
    talk = Talking()
    talk.on_shot = lambda: Screen("<svg/>", "a\n")
    assert do(talk, "now.txt").of == "the screen"
    assert Path("now.txt").read_text() == "a\n"


def test_on_and_off() -> None:
    talk = Talking(error=model.Notice(message="done"))
    switch(talk, True)
    switch(talk, False)
    assert [each.off for each in talk.asked] == [False, True]
    assert COMMANDS["record"].parse("on") == [True]
    for command, text in (("record", "maybe"), ("export", "on")):
        with pytest.raises(UsageError) as refused:
            asyncio.run(export(talk, *COMMANDS[command].parse(text)))
        assert "rite: record on" in refused.value.hint


def test_slow_writing_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradrepl.commands.export.SLOW", 0.0)
    talk = Talking(graph(nodes([(number + 1,) for number in range(1, 2500)] + [()])))
    do(talk, "out.json")
    told = [each for each in talk.told if isinstance(each, model.Progress)]
    assert [(each.done, each.total) for each in told[:2]] == [(2000, 2500), (2500, 2500)]
    assert told[0].what == "reading for out.json"


def test_completion_offers_kinds_and_files() -> None:
    Path("given.svg").touch()
    talk: Any = Talking()
    assert asyncio.run(complete(talk, ":export perf")) == ["perfetto"]
    assert "given.svg" in asyncio.run(complete(talk, ":export "))
    assert "time" in asyncio.run(complete(talk, ":export "))
    assert asyncio.run(complete(talk, ":export pass giv")) == ["given.svg"]


def test_usage_names_the_right_word() -> None:
    with pytest.raises(UsageError) as error:
        do(Talking(), "x.svgz")
    assert error.value.hint.startswith("Did you mean '.svg'?")


def test_exporters_load_no_torch_and_no_screen_and_not_before_they_are_asked_for() -> None:
    code = """
import sys, gradrepl.commands
from gradrepl import plugins
plugins.here().load()
assert "gradrepl_drawings.svg" not in sys.modules, "early"
import gradrepl.export
seen = set(sys.modules)
assert len(gradrepl.export.load()) >= 10
new = {name.partition(".")[0] for name in set(sys.modules) - seen}
assert not new & {"torch", "textual", "rich", "prompt_toolkit", "numpy"}, new
assert "torch" not in sys.modules and "textual" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
