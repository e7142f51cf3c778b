"""The panels whose contents are asked for at every stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradrepl.tui.panels.flow import Flow
from gradrepl.tui.panels.inspector import Inspector
from gradrepl.tui.panels.nodes import NodeList
from gradrepl.tui.panels.ops import OpList
from gradrepl.tui.panels.side import Side
from gradrepl.tui.panels.source import SourcePane
from gradrepl.tui.panels.watches import Watches

if TYPE_CHECKING:
    from gradrepl.tui.pages.page import Page


class Panels:
    """The panels that are supplied."""

    def __init__(self) -> None:
        self.ops = OpList("ops")
        self.nodes = NodeList("nodes")
        self.inspect = Inspector("inspect")
        self.flow = Flow("flow")
        self.source = SourcePane("source")
        self.side = Side("side")
        self.watches = Watches("watches")
        self.pages: dict[str, Page] = {}
        """The pages that have been opened, by the name of their view."""
