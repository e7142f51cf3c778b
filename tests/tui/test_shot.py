"""The screen as a picture and as text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from screens import Seen, on_screen

from gradrepl_drawings.screen import local


def test_the_screen_is_what_the_file_shows() -> None:
    async def body(seen: Seen) -> None:
        found = seen.app.shot()
        assert found.text == seen.text
        svg = local(found.svg)
        shown = "".join(ET.fromstring(svg).itertext()).replace("\xa0", " ")
        assert "1 Fwd" in shown
        assert "url(http" not in svg.replace('"', "").replace("'", "")
        assert "@font-face" not in svg

    on_screen(body)
