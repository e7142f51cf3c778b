"""The Memory screen: who shares memory with whom."""

from __future__ import annotations

from typing import ClassVar

from gradrepl import model, protocol
from gradrepl.tui.pages.page import Ask, Page
from gradrepl.tui.panels.memory import MemoryList, MemoryMap


class MemoryPage(Page):
    """Who shares memory with whom."""

    VIEW: ClassVar[str] = "mem"

    def __init__(self) -> None:
        super().__init__()
        self.list = self.storages = MemoryList("memory")
        self.details = self.map = MemoryMap("map")

    async def renew(self, ask: Ask) -> None:
        """Show the tensors in reach."""
        answer = await ask(protocol.AskStorages())
        if isinstance(answer, model.Storages):
            self.storages.show(answer)

    async def select(self, ask: Ask) -> None:
        """Show the bytes of the selected storage."""
        self.map.show(self.storages.chosen(), self.storages.found)

    def condition(self) -> str:
        """Return 'name x' for the selected tensor."""
        name = self.name_here()
        return f"name {name}" if name else ""

    def name_here(self) -> str:
        """Return the name of the selected tensor."""
        row = self.storages.chosen()
        return row.member.name if row is not None and row.member is not None else ""
