"""The screen as a picture and as text."""

from __future__ import annotations

import re
from typing import TextIO

from gradrepl.export import SCREEN, exporter
from gradrepl.export.files import Screen

FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}\s*")
_FAMILY = re.compile(r"font-family:\s*(?:Fira Code|arial)\b[^;}\"]*")


@exporter("svg", of=SCREEN, suffix=".svg", help="a picture of the screen (only in the screen)")
def svg(record: Screen, file: TextIO) -> None:
    """Write the picture that Textual draws, with fonts that are there instead of the network's."""
    file.write(local(record.svg))


def local(svg: str) -> str:
    """Return an SVG of Rich's that fetches no font."""
    return _FAMILY.sub(lambda found: f"font-family: {FONT}", _FONT_FACE.sub("", svg))


@exporter("text", of=SCREEN, suffix=".txt", help="the screen's characters")
def text(record: Screen, file: TextIO) -> None:
    """Write the characters."""
    file.write("\n".join(line.rstrip() for line in record.text.splitlines()).rstrip() + "\n")
