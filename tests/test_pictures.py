"""The README's pictures: there, whole, of the screens they are named for, and from no network."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "examples" / "pictures"
SHOWN = {
    "forward": ("[1 Fwd]", "flatten", "out.mean().item()"),
    "backward": ("[2 Bwd]", "AccumulateGrad", "fc2.bias"),
    "memory": ("[3 Mem]", "view of weight", "saved value changed"),
    "data": ("[4 Data]", "Batch 1 of 28", "Digits, 1,797 samples"),
    "health": ("[5 Health]", "vanishing", "|g| by depth"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_shows_its_screen_and_fetches_nothing(name: str) -> None:
    svg = (FOLDER / f"{name}.svg").read_text()
    shown = "".join(ET.fromstring(svg).itertext()).replace("\xa0", " ")
    for words in SHOWN[name]:
        assert words in shown
    assert "@font-face" not in svg
    assert not re.search(r"(url\(|href=|src=)[\"']?https?:", svg)
    assert "/work" not in shown
    assert f"examples/pictures/{name}.svg" in (ROOT / "README.md").read_text()


def test_no_picture_is_left_over() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(SHOWN)
