"""The commands about memory: how they are written, what is printed, and batch mode."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from memory_samples import ALONE, BYTES, COPIES, SHARED, STALE, STORAGES, VERSIONS, member

from gradrepl import draw
from gradrepl.commands.registry import expressions
from gradrepl.draw import Look
from gradrepl.draw.memory import byte_map
from gradrepl.errors import UsageError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()), ("x", ("x",)), ("x y", ("x", "y")), ("x, y", ("x", "y")),
        ("x + y", ("x + y",)), ("x[0, 1] y", ("x[0, 1]", "y")), ("f(a, b), c", ("f(a, b)", "c")),
        ("d['a, b'] x", ("d['a, b']", "x")), ("w w.detach() w.data", ("w", "w.detach()", "w.data")),
        ("a + b c", ("a + b", "c")), ("x if y else z", ("x if y else z",)), ("(x, y)", ("(x, y)",)),
        ('d["it\'s"], x', ('d["it\'s"]', "x")),
    ],
)  # fmt: skip
def test_expressions_are_split_at_commas_or_spaces(text: str, found: tuple[str, ...]) -> None:
    assert expressions(text) == found


@pytest.mark.parametrize("text", ["x(", "x y)", "1 +", "x, ]"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not an expression"):
        expressions(text)


def lines(record: Any, **look: bool) -> list[str]:
    return draw.text(record, Look(**look)).splitlines()


def test_storages_are_drawn_to_scale() -> None:
    assert lines(msgspec.structs.replace(STORAGES, storages=(SHARED,), total=1, cut=())) == [
        "@1  200 B  cpu  shared file  6 names",
        "  w                  base              (5, 10)  leaf, grad       v2",
        "  wd                 detach of w       (5, 10)                   v2",
        "  row                view of w         (10,)    SelectBackward0  v2",
        "  n                  numpy of w        (5, 10)",
        "  PowBackward0.self  saved at v1 of w  (5, 10)  train.py:36      v2 stale",
        "  and 1 more",
        "  w                  ████████████████████████████████████████████████ 200 B",
        "  wd                 ████████████████████████████████████████████████ 200 B",
        "  row                ─────────▒█████████▒──────────────────────────── 40 B at 40",
        "  n                  ████████████████████████████████████████████████ 200 B",
        "  PowBackward0.self  ████████████████████████████████████████████████ 200 B",
        "! PowBackward0 saved w at version 1, it is now at 2: backward will raise.",
        "12 tensors in 1 storage, 4.2 KiB",
    ]
    long = [line for line in lines(STORAGES) + lines(VERSIONS) if len(line) > 80]
    assert [line[:3] for line in long] == []


def test_storages_in_plain_words() -> None:
    assert lines(STORAGES, plain=True) == [
        "@1  200 B  cpu  shared file  6 names",
        "w: base, bytes 0 to 200, shape (5, 10), v2, leaf, grad",
        "wd: detach of w, bytes 0 to 200, shape (5, 10), v2",
        "row: view of w, bytes 40 to 80, shape (10,), v2, SelectBackward0",
        "n: numpy of w, bytes 0 to 200, shape (5, 10)",
        "PowBackward0.self: saved at v1 of w, bytes 0 to 200, shape (5, 10), v2 stale, train.py:36",
        "with one name",
        "  @2  4.0 KiB  [/b]h  (1024,)  variable  v2",
        "  and 7 more storages",
        "! PowBackward0 saved w at version 1, it is now at 2: backward will raise.",
        "12 tensors in 9 storages, 4.2 KiB",
        "(only the first 256 of 300 things in 'many' were looked at.)",
    ]


@pytest.mark.parametrize(
    ("ranges", "density", "drawn"),
    [
        (((0, 100),), 1.0, "##########"), (((0, 50),), 1.0, "#####-----"),
        (((99, 100),), 1.0, "---------+"), (((5, 15),), 1.0, "++--------"), ((), 1.0, "-" * 10),
        (((0, 100),), 0.5, "++++++++++"), (((0, 10), (90, 100)), 1.0, "#--------#"),
    ],
)  # fmt: skip
def test_a_bar_shows_which_bytes(ranges: Any, density: float, drawn: str) -> None:
    made = member("x", "base", "", ranges=ranges, density=density)
    assert byte_map(made, 100, cells=10, ascii=True) == drawn


def test_copies_versions_and_bytes() -> None:
    assert lines(COPIES) == [
        "                 same bytes   version  grad flows  leaf  copies",
        "  w.detach()     yes          shared   no          yes   -",
        "  w.data         yes          own !    no          yes   -",
        "  w.to(float32)  same tensor  shared   yes         yes   -",
        "  w.clone()      no           own      yes         no    200 B",
        "  w.numpy()      cannot",
        "w.numpy(): Can't call numpy() on Tensor that requires grad.",
        "measured on w itself",
    ]
    assert lines(VERSIONS) == [
        "w  @1  version 2",
        "  3 earlier ones are not shown",
        "  v0 -> v1     not recorded",
        "  saved at v1  PowBackward0.self  of w           %3  train.py:36  stale",
        "  v1 -> v2     zero_              via wd         %5  train.py:36",
        "  v0 -> v1     mul_               via its .data  %7  train.py:36  own counter",
        "  still v2     changed unseen",
        "not recorded: by an optimizer, or by code that ran with nothing armed",
        "changed unseen: through .data, NumPy or C, by what was not recorded",
        f"! {STALE.sentence}",
        "compared from now on, at every stop: every byte",
    ]
    assert lines(BYTES) == [
        "     3.9 KiB  parameters  2 storages  2 tensors",
        "       296 B  other       1 storage   3 tensors",
        "     4.2 KiB  in all  cpu 4.2 KiB",
        "  CUDA: 1.0 KiB allocated, 2.0 KiB reserved",
        "the largest",
        "     3.9 KiB  @1  fc.weight  parameters",
        "       296 B  @2  row        other       names use 40 B of it",
    ]


def test_nothing_to_show() -> None:
    empty = msgspec.structs.replace(STORAGES, storages=(), total=0, tensors=0, stale=(), cut=())
    assert lines(empty) == ["No tensors in the current scope."]
    alone = msgspec.structs.replace(
        STORAGES, storages=(ALONE,), total=1, tensors=1, stale=(), cut=()
    )
    assert lines(alone)[0] == "  @2  4.0 KiB  [/b]h  (1024,)  variable  v2"


TYPED = """\
w = torch.zeros(5, 10, requires_grad=True); wd = w.detach(); row = w[1]; wc = w.clone()
n = wd.numpy(); e = w.expand(2, 5, 10); d = w.data; y = w ** 2
wd.zero_() is None
:mem
:mem w wc
:mem w row, extra
:copies w
:versions w
:bytes
:versions off
:mem nothing
"""


def test_batch_mode_prints_records() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gradrepl", "--json"], input=TYPED, capture_output=True, text=True,
        timeout=100,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.splitlines()][1:]
    assert [each["type"] for each in found] == [
        "Storages", "Sharing", "Error", "Copies", "Versions", "Bytes", "Watches", "Error",
    ]  # fmt: skip
    storage = next(each for each in found[0]["storages"] if len(each["members"]) > 1)
    assert set(storage) >= {"id", "nbytes", "device", "shared", "members"}
    assert {m["name"]: m["kind"] for m in storage["members"]} == {
        "w": "base", "wd": "detach", "row": "view", "n": "numpy", "e": "expand", "d": "data",
        "PowBackward0.self": "alias",
    }  # fmt: skip
    assert all(set(m) >= {"offset", "nbytes", "version"} for m in storage["members"])
    assert found[1]["sentence"].endswith("gradient flows wc -> w.")
    assert found[4]["stale"][0]["sentence"].endswith("will raise.")
